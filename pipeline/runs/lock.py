"""A file lock that the operating system releases when its holder ends, even if killed."""

import datetime
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.task.errors import UserError

# How long to wait for the holder to end. A stage whose `dvc` was killed notices in half a second.
WAIT_SECONDS = 10.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock at `path` while the context is open; then remove the file.

    The file's text names the holder. It is informational only: the lock does not depend on it.

    Raises:
        UserError: If another process still holds the lock after `WAIT_SECONDS`. The message names
            the process and the time when it started training.
    """
    lock = FileLock(path, poll_interval=0.02, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0.1)  # a holder that ends removes the file before it releases the lock
    except Timeout:
        held = f"{path}: held by {_holder(path)}"
        message = f"{held}; waiting up to {WAIT_SECONDS:g} s for it to end"
        print(message, file=sys.stderr, flush=True)
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise UserError(f"{held}; wait until it has finished, or stop it") from error
    try:
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        path.write_text(f"process {os.getpid()}, which has been training since {now}")
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "another process"
    except (OSError, ValueError):
        return "another process"
