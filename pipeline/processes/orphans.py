"""Noticing that the `dvc` that started a stage has been killed, and ending the stage.

DVC starts a stage through a shell. When DVC alone is killed, both live on, unseen, and the next
`dvc repro` would start another one beside them.
"""

import os
import signal
import threading
import time
from pathlib import Path

STARTED_BY_DVC = "DVC_STAGE"  # a variable that DVC sets for the commands of its stages
SECONDS = 0.5  # between two looks


def end_with_dvc() -> None:
    """Sends this process SIGTERM when the `dvc` that started it ends; does nothing without one.

    A process is given another parent when its own ends, so that a change in the line of ancestors
    up to DVC shows that one of them has. Where there is no /proc, only the nearest is watched.
    """
    if STARTED_BY_DVC in os.environ:
        line = _ancestors()
        threading.Thread(target=_watch, args=(line,), daemon=True).start()


def _watch(line: list[int]) -> None:
    while _parents(line[:-1]) == line:
        time.sleep(SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _ancestors() -> list[int]:
    """The processes from this one's parent up to DVC: the first that DVC did not start."""
    line = [os.getppid()]
    while _was_started_by_dvc(line[-1]) and (parent := _parent(line[-1])) is not None:
        line.append(parent)
    return line


def _parents(line: list[int]) -> list[int | None]:
    """The parents, now, of this process and of those in `line`."""
    return [os.getppid(), *map(_parent, line)]


def _parent(process: int) -> int | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _was_started_by_dvc(process: int) -> bool:
    try:
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(variable.startswith(f"{STARTED_BY_DVC}=".encode()) for variable in variables)
