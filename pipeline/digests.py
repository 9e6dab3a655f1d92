"""SHA-256 of what stages leave to one another, so that it can prove what it is."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.task.artifacts import Weights, unreadable


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
        raise unreadable(path, "a file", error) from error


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
