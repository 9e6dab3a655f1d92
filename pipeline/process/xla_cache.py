"""Compiled XLA programs, kept in files so that later processes need not compile them again.

TensorFlow can keep programs in a folder, but trusts what it finds there. It detects neither changed
bits nor a program for another processor. So each process has a folder of its own for TensorFlow,
with links to those files of the cache that pass a check:

    .xla_cache/<key>/<name>.<digest>     a program; the digest covers its name and content
    .xla_cache/<key>/process-<pid>/      the folder that TensorFlow reads and writes

The key stands for everything that TensorFlow's name of a program leaves out. Files that fail the
check are deleted. Their programs are compiled again, with the same results to the last bit.

The environment variable XLA_CACHE is another folder for the cache, or `off`. With an NVIDIA GPU
there is no cache.
"""

import atexit
import errno
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import psutil

VARIABLE = "XLA_CACHE"
FOLDER = ".xla_cache"
MAX_BYTES = 200_000_000  # all are read at each start, in 0.1 s; a program has 1 or 2 MB
MIN_FREE_BYTES = 1_000_000_000  # on the disk: TensorFlow fails if it cannot write a program
FLAG = "--tf_xla_persistent_cache_directory"
PRIVATE = "process-"

_private: Path | None = None  # this process's folder, if there is one


@contextmanager
def xla_cache() -> Iterator[None]:
    """Let TensorFlow use the cache if it is started while the context is open.

    Without a cache, or if its folder cannot be written, TensorFlow compiles every program.
    """
    global _private
    place, flags = os.environ.get(VARIABLE), os.environ.get("TF_XLA_FLAGS", "")
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    if place != "off" and FLAG not in flags and not has_gpu and "tensorflow" not in sys.modules:
        with suppress(OSError):
            _private = open_cache(Path(place or _project() / FOLDER))
    if _private is None:
        yield
        return
    atexit.register(_close, _private)
    os.environ["TF_XLA_FLAGS"] = f"{flags} {FLAG}={_private}"
    try:
        yield  # TensorFlow reads its flags when it starts, and only then
    finally:
        os.environ["TF_XLA_FLAGS"] = flags


def keep_programs() -> None:
    """Add the programs compiled so far to the cache.

    This also happens at exit, but not in workers, which are killed.
    """
    if _private is not None:
        add_programs(_private)


def open_cache(root: Path) -> Path:
    """Make this process's folder, with links to all intact programs; delete what is not intact.

    Args:
        root: The folder of the cache.

    Returns:
        The process's folder.

    Raises:
        OSError: If it cannot be made, or there is too little space on the disk.
    """
    folder = root / _key()
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    private = folder / f"{PRIVATE}{os.getpid()}"
    shutil.rmtree(private, ignore_errors=True)  # of an earlier process with the same number
    private.mkdir()
    for path in folder.iterdir():
        if path.is_dir():
            if not _is_in_use(path):
                shutil.rmtree(path, ignore_errors=True)
        elif not _link(path, private):
            path.unlink(missing_ok=True)
    return private


def add_programs(private: Path) -> None:
    """Add the new programs in a process's folder to the cache; delete the oldest if it is full."""
    folder = private.parent
    for path in private.glob("*.pb"):
        with suppress(OSError):  # another process has added the same, or the disk is full
            if path.stat().st_nlink == 1:  # not from the cache
                os.link(path, folder / f"{path.name}.{_digest(path)}")
    with suppress(OSError):  # another process has deleted one
        programs = [(path.stat(), path) for path in folder.iterdir() if path.is_file()]
        total = 0
        for facts, path in sorted(programs, key=lambda program: -program[0].st_mtime):
            total += facts.st_size
            if total > MAX_BYTES:
                path.unlink()


def _close(private: Path) -> None:
    add_programs(private)
    shutil.rmtree(private, ignore_errors=True)


def _project() -> Path:
    """Return the current folder; for a queued experiment of DVC, the project that queued it."""
    here = Path.cwd()
    return next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)


def _is_in_use(private: Path) -> bool:
    """Return whether a folder belongs to a process that has not ended."""
    pid = private.name.removeprefix(PRIVATE)
    return private.name != pid and pid.isdecimal() and psutil.pid_exists(int(pid))


def _link(path: Path, private: Path) -> bool:
    """Link a program into a process's folder; return whether it is intact."""
    name, _, digest = path.name.rpartition(".")
    target = private / name
    if not name.endswith(".pb") or target.exists():  # exists: two processes compiled it at once
        return False
    with suppress(OSError):  # it cannot be read, or another process has just deleted it
        os.link(path, target)
        if _digest(target) == digest:
            return True
    target.unlink(missing_ok=True)
    return False


def _digest(path: Path) -> str:
    """Compute the digest of a program's name and content."""
    return hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes()).hexdigest()


def _key() -> str:
    facts = [version("tensorflow"), platform.machine(), os.environ.get("XLA_FLAGS")]
    with suppress(OSError):  # not Linux
        first_core = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        facts += [line for line in first_core if line.startswith(("vendor_id", "model", "flags"))]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
