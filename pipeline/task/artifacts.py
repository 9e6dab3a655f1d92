"""Reading and writing the files that stages pass to each other.

Every file is written to a temporary file, flushed and atomically renamed. A failed write leaves any
existing file unchanged. (Under `dvc repro` there is none: DVC removes a stage's outputs before it
runs the stage.) Nothing is unpickled. A missing or damaged file raises a `UserError` that names it.
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

Table = dict[str, np.ndarray]  # name → column; all columns have the same length
Weights = dict[str, np.ndarray]  # variable path → [R, …], the weights of R runs


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` if no exception is raised.

    A file replaces a file; a folder replaces a folder or a file. After an exception, the temporary
    path is removed and `path` is unchanged.

    Raises:
        OSError: If writing fails, or if a file would replace a folder. The error's `filename` is
            `path` unless another file caused it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            written = Path(folder) / path.name
            yield written
            for part in [written, *(written.rglob("*") if written.is_dir() else ())]:
                _flush(part)
            if path.is_dir() and not written.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            replaced = Path(folder) / "replaced"
            try:
                if path.is_dir():  # renaming replaces a file, but not a folder
                    path.rename(replaced)
                written.replace(path)
            except BaseException:
                if replaced.exists() and not path.exists():
                    replaced.rename(path)
                raise
            _flush(path.parent)
    except OSError as error:
        # A full disk names no file, and the temporary file means nothing to the user.
        if error.filename is None or f".{path.name}." in str(error.filename):
            error.filename, error.filename2 = str(path), None
        raise


def _flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk, so that it survives a power failure."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to a compressed .npz file; equal arrays give equal bytes."""
    with atomic_write(path) as written:
        np.savez_compressed(written, allow_pickle=False, **arrays)


def read_arrays(path: Path, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file.

    Args:
        path: The file.
        required: Names of arrays that it must contain; more are allowed.

    Raises:
        UserError: If the file is missing, is not a complete .npz file or lacks an array.
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
        ValueError: If it is not a complete .npz file or contains pickled objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many types for damaged bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error


def write_table(path: Path, table: Table) -> None:
    """Write a table to a CSV file with a header line, floats with nine significant digits."""
    with atomic_write(path) as written, written.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow(
                f"{value:.9g}" if isinstance(value, np.floating) else value for value in row
            )


def read_table(path: Path, required: Iterable[str]) -> Table:
    """Read a CSV table; convert columns to integers, else to floats, else keep strings.

    Args:
        path: The file.
        required: Columns that it must have; more are allowed.

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
        raise unreadable(path, "a CSV table with a header line", error) from error
    return {name: _column(values) for name, values in zip(header, columns, strict=True)}


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON.

    Raises:
        ValueError: If `value` contains infinity or NaN, which JSON does not support.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as written:
        written.write_text(text)


def stack_weights(runs: Sequence[Mapping[str, np.ndarray]]) -> Weights:
    """Stack the weights of R runs, each `[…]`, into one array `[R, …]` per variable."""
    return {path: np.stack([weights[path] for weights in runs]) for path in runs[0]}


def stale_file(path: Path, expected: Any, received: Any) -> UserError:
    """Make the error for an intact file that does not match the parameters or other files."""
    return UserError(
        f"{path}: expected {expected}, received {received}; run `dvc repro` to update it"
    )


def read_json(path: Path, required: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        required: Keys that it must have; more are allowed.

    Raises:
        UserError: If the file is missing, is not a JSON object or lacks a key.
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
    """Copy a folder, replacing anything at `target`."""
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
    """Make the error for a file that is missing or damaged."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file; run `dvc repro` to create it")
    return UserError(f"{path}: expected {expected}, received {type(error).__name__}: {error}")
