"""Where each stage's files are, and how they are written and read.

Every file is written beside its place, to the disk, and then renamed into it, so that a stage that
fails leaves what was there. Nothing that is read is unpickled or trusted: what is missing or
damaged raises a `UserError` that names the file.
"""

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import UserError

Table = dict[str, np.ndarray]  # one column of equal length for each name
Weights = dict[str, np.ndarray]  # variable path → [R, …], one entry for each run


class TaskFiles(NamedTuple):
    """The files of one task, all in one folder."""

    folder: Path

    @property
    def initial_weights(self) -> Path:
        """The initial policy of every run; written by `rollout`."""
        return self.folder / "initial_weights.npz"

    @property
    def rollouts(self) -> Path:
        """Episodes sampled by the initial policies; written by `rollout`."""
        return self.folder / "rollouts.npz"

    @property
    def final_weights(self) -> Path:
        """The trained policy of every run; written by `train`."""
        return self.folder / "final_weights.npz"

    @property
    def learning_curve(self) -> Path:
        """One row for each update of each run; written by `train`."""
        return self.folder / "learning_curve.csv"

    @property
    def action_distribution(self) -> Path:
        """The mean action distribution before, during and after training; written by `train`."""
        return self.folder / "action_distribution.csv"

    @property
    def variance(self) -> Path:
        """The noise of the gradient, a row for each policy and baseline; written by `variance`."""
        return self.folder / "variance.csv"

    @property
    def policies(self) -> Path:
        """A SavedModel for each run; written by `export`."""
        return self.folder / "policies"

    @property
    def policy(self) -> Path:
        """The chosen run's SavedModel; written by `export`."""
        return self.folder / "policy"

    @property
    def evaluation(self) -> Path:
        """One row for each evaluation episode; written by `evaluate`."""
        return self.folder / "evaluation.csv"

    @property
    def visited(self) -> Path:
        """Steps of the chosen policy with its action distribution; written by `evaluate`."""
        return self.folder / "visited.csv"

    @property
    def plane(self) -> Path:
        """The chosen policy's action distribution over a plane of states; by `evaluate`."""
        return self.folder / "plane.csv"

    @property
    def episode(self) -> Path:
        """An episode of the chosen policy, step by step; written by `evaluate`."""
        return self.folder / "episode.csv"

    @property
    def metrics(self) -> Path:
        """The task's results, tracked by git; written by `evaluate`."""
        return self.folder / "metrics.json"

    @property
    def film(self) -> Path:
        """That episode in pictures, or why there are none; written by `film`."""
        return self.folder / "film"

    @property
    def plots(self) -> Path:
        """Pictures; written by `plot`."""
        return self.folder / "plots"

    @property
    def panels(self) -> Path:
        """The pictures' panels, one by one, for the report; written by `plot`."""
        return self.folder / "panels.json"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it to `path` when all went well.

    `path` may be a file or a folder. On an exception what was written is removed, and `path` is
    what it was.

    Raises:
        OSError: If it cannot be written. `filename` is `path` unless it is that of another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            written = Path(folder) / path.name
            yield written
            for part in [written, *(written.rglob("*") if written.is_dir() else ())]:
                _to_disk(part)
            if path.is_dir():
                path.rename(Path(folder) / "replaced")
            written.replace(path)
            _to_disk(path.parent)
    except OSError as error:
        # A full disk names no file, and what is written beside `path` is gone.
        if error.filename is None or f".{path.name}." in str(error.filename):
            error.filename, error.filename2 = str(path), None
        raise


def _to_disk(path: Path) -> None:
    """Waits until the disk has a file, or the names in a folder: a power failure spares them."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as a compressed .npz file; equal arrays give equal bytes."""
    with replacing(path) as written:
        np.savez_compressed(written, allow_pickle=False, **arrays)


def read_arrays(path: Path, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Reads all arrays of an .npz file.

    Args:
        path: The file.
        required: Arrays that it must have; it may have more.

    Raises:
        UserError: If the file is missing, is not a whole .npz file or lacks an array.
    """
    try:
        arrays = load_arrays(path)
        _require(required, arrays)
        return arrays
    except (ValueError, OSError) as error:
        raise _unreadable(path, "an .npz file of arrays", error) from error


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not a whole .npz file. Nothing is unpickled.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except OSError:
        raise
    except Exception as error:  # of damaged bytes zipfile, zlib and NumPy make many kinds
        raise ValueError(f"{type(error).__name__}: {error}") from error


def write_table(path: Path, table: Table) -> None:
    """Writes a table as CSV with a header line; floats with nine significant digits."""
    with replacing(path) as written, written.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow(
                f"{value:.9g}" if isinstance(value, np.floating) else value for value in row
            )


def read_table(path: Path, required: Iterable[str]) -> Table:
    """Reads a CSV table; columns are integers, floats or, failing that, strings.

    Args:
        path: The file.
        required: Columns that it must have; it may have more.

    Raises:
        UserError: If the file is missing, has no rows, lacks a column or has an uneven row.
    """
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        columns = list(zip(*rows, strict=True))
        if not columns or any(len(row) != len(header) for row in rows):
            raise ValueError("rows are missing or uneven")
        _require(required, header)
    except (ValueError, csv.Error, OSError) as error:
        raise _unreadable(path, "a CSV table with a header line", error) from error
    return {name: _column(values) for name, values in zip(header, columns, strict=True)}


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON; infinities and NaN are refused, since JSON has none."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with replacing(path) as written:
        written.write_text(text)


def stack_weights(runs: Sequence[Mapping[str, np.ndarray]]) -> Weights:
    """The weights of R runs, each `[…]`, as one array `[R, …]` for each variable."""
    return {path: np.stack([weights[path] for weights in runs]) for path in runs[0]}


def weights_digest(weights: Weights, run: int) -> str:
    """SHA-256 of one run's weights: names, types, shapes and bits."""
    return arrays_digest({name: values[run] for name, values in weights.items()})


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays: names, types, shapes and bits."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        UserError: If the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, "a file", error) from error


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def out_of_step(path: Path, expected: Any, received: Any) -> UserError:
    """The error for a whole file that does not belong to the parameters or to the other files."""
    return UserError(
        f"{path}: expected {expected}, received {received}; `dvc repro` brings it into step"
    )


def read_json(path: Path, required: Iterable[str]) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        path: The file.
        required: Names that the object must have; it may have more.

    Raises:
        UserError: If the file is missing, is not a JSON object or lacks a name.
    """
    try:
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError("not an object")
        _require(required, value)
        return value
    except (ValueError, OSError) as error:
        raise _unreadable(path, "a JSON object", error) from error


def copy_folder(source: Path, target: Path) -> None:
    """Copies a folder over whatever is at `target`."""
    with replacing(target) as written:
        shutil.copytree(source, written)


def _require(names: Iterable[str], received: Iterable[str]) -> None:
    missing = set(names) - set(received)
    if missing:
        raise ValueError(f"no {', '.join(sorted(missing))}")


def _column(values: Sequence[str]) -> np.ndarray:
    for dtype in (np.int64, np.float64):
        try:
            return np.array(values, dtype=dtype)
        except ValueError:
            continue
    return np.array(values)


def _unreadable(path: Path, expected: str, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        received = "no such file; `dvc repro` runs the stage that writes it"
    else:
        received = f"{type(error).__name__}: {error}"
    return UserError(f"{path}: expected {expected}, received {received}")
