"""SHA-256 digests of files and weights, by which a stage verifies what earlier stages wrote."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.task.artifacts import Weights, unreadable


def weights_digest(weights: Weights, run: int) -> str:
    """Return the SHA-256 of one run's weights: their names, dtypes, shapes and bits."""
    return arrays_digest({name: values[run] for name, values in weights.items()})


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays: their names, dtypes, shapes and bits."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        UserError: If the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, "a file", error) from error


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
