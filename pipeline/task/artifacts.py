"""Reading and writing the files that stages leave to one another.

Every file is written to a temporary file, flushed and atomically renamed: a write that fails leaves
the file that was there. (Under `dvc repro` there is none: DVC removes a stage's outputs before it
runs the stage.) Nothing that is read is unpickled: what is missing or damaged raises a `UserError`
that names the file.
"""

import csv
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.task.errors import UserError

Table = dict[str, np.ndarray]  # one column of equal length for each name
Weights = dict[str, np.ndarray]  # variable path → [R, …], one entry for each run


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; renames it to `path` when all went well.

    A file replaces a file, a folder a folder or a file. On an exception what was written is
    removed, and `path` is what it was.

    Raises:
        OSError: If it cannot be written, or is a folder and a file is to replace it. `filename` is
            `path` unless it is that of another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            written = Path(folder) / path.name
            yield written
            for part in [written, *(written.rglob("*") if written.is_dir() else ())]:
                _to_disk(part)
            if path.is_dir() and not written.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            replaced = Path(folder) / "replaced"
            try:
                if path.is_dir():  # which, unlike a file, no rename replaces
                    path.rename(replaced)
                written.replace(path)
            except BaseException:
                if replaced.exists() and not path.exists():
                    replaced.rename(path)
                raise
            _to_disk(path.parent)
    except OSError as error:
        # A full disk names no file, and what is written beside `path` is gone.
        if error.filename is None or f".{path.name}." in str(error.filename):
            error.filename, error.filename2 = str(path), None
        raise


def _to_disk(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder: a power failure spares them."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as a compressed .npz file; equal arrays give equal bytes."""
    with atomic_write(path) as written:
        np.savez_compressed(written, allow_pickle=False, **arrays)


def read_arrays(path: Path, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file.

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
        raise unreadable(path, "an .npz file of arrays", error) from error


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Load all arrays of an .npz file.

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
    """Write a table as CSV with a header line; floats with nine significant digits."""
    with atomic_write(path) as written, written.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow(
                f"{value:.9g}" if isinstance(value, np.floating) else value for value in row
            )


def read_table(path: Path, required: Iterable[str], *, may_be_empty: bool = False) -> Table:
    """Read a CSV table; columns are integers, floats or, failing that, strings.

    Args:
        path: The file.
        required: Columns that it must have; it may have more.
        may_be_empty: Whether it may have no rows, and those columns alone. Defaults to no.

    Raises:
        UserError: If the file is missing, has no rows, lacks a column or has an uneven row.
    """
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        if may_be_empty and header == list(required) and not rows:
            return {name: np.array([]) for name in header}
        columns = list(zip(*rows, strict=True))
        if not columns or any(len(row) != len(header) for row in rows):
            raise ValueError("rows are missing or uneven")
        _require(required, header)
    except (ValueError, csv.Error, OSError) as error:
        raise unreadable(path, "a CSV table with a header line", error) from error
    return {name: _column(values) for name, values in zip(header, columns, strict=True)}


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON; infinities and NaN are refused, since JSON has none."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as written:
        written.write_text(text)


def stack_weights(runs: Sequence[Mapping[str, np.ndarray]]) -> Weights:
    """Stack the weights of R runs, each `[…]`, as one array `[R, …]` for each variable."""
    return {path: np.stack([weights[path] for weights in runs]) for path in runs[0]}


def stale_file(path: Path, expected: Any, received: Any) -> UserError:
    """Make the error for a whole file that does not belong to the parameters or the other files."""
    return UserError(
        f"{path}: expected {expected}, received {received}; `dvc repro` brings it into step"
    )


def read_json(path: Path, required: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object.

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
    except (ValueError, RecursionError, OSError) as error:
        raise unreadable(path, "a JSON object", error) from error
    if missing := sorted(set(required) - set(value)):
        raise stale_file(path, "a JSON object", f"one without {', '.join(missing)}")
    return value


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder over whatever is at `target`."""
    with atomic_write(target) as written:
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


def unreadable(path: Path, expected: str, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        received = "no such file; `dvc repro` runs the stage that writes it"
    else:
        received = f"{type(error).__name__}: {error}"
    return UserError(f"{path}: expected {expected}, received {received}")
