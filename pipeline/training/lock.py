"""A lock that the operating system takes back when its holder ends, however it ends."""

import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of this name; its file is removed with it.

    The file says who holds it; whether it is held does not depend on what it says.

    Raises:
        UserError: If another process holds it. The message says which, and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise UserError(f"{path}: held by {_holder(path)}; wait for it, or end it") from error
        if _is_at(file, path):
            break
        os.close(file)  # its holder removed it between the two calls
    try:
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        os.truncate(file, 0)
        os.write(file, json.dumps({"process": os.getpid(), "since": now}).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['process']}, which trains since {holder['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process that trains"
