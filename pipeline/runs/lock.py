"""A lock that the operating system takes back when its holder ends, however it ends."""

import datetime
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.task.errors import UserError

SECONDS = 10.0  # that a holder has to end: one whose `dvc` was killed notices in half a second


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this name; its file is removed with it.

    The file says who holds it; that it is held does not depend on what it says.

    Raises:
        UserError: If another process holds it, and goes on. The message says which, and since when.
    """
    lock = FileLock(path, poll_interval=0.02, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0.1)  # a holder that ends removes the file, then gives up the lock
    except Timeout:
        held = f"{path}: held by {_holder(path)}"
        print(f"{held}; waiting {SECONDS:g} s for it to end", file=sys.stderr, flush=True)
        try:
            lock.acquire(timeout=SECONDS)
        except Timeout as error:
            raise UserError(f"{held}; wait for it, or end it") from error
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
