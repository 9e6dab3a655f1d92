"""Noticing that the `dvc` that started a stage has been killed, and ending the stage.

DVC starts a stage through a shell. When DVC alone is killed, both live on, unseen, and the next
`dvc repro` would start another one beside them.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from itertools import pairwise

import psutil

STARTED_BY_DVC = "DVC_STAGE"  # a variable that DVC sets for the commands of its stages
SECONDS = 0.5  # between two looks


def end_with_dvc() -> None:
    """Send this process SIGTERM when the `dvc` that started it ends; do nothing without one.

    A process is given another parent when its own ends, so that a change in the line of ancestors
    up to DVC shows that one of them has.
    """
    if STARTED_BY_DVC in os.environ:
        threading.Thread(target=_watch, args=(_line_to_dvc(),), daemon=True).start()


def _watch(line: list[psutil.Process]) -> None:
    with suppress(psutil.NoSuchProcess):
        while all(process.ppid() == parent.pid for process, parent in pairwise(line)):
            time.sleep(SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _line_to_dvc() -> list[psutil.Process]:
    """Return this process and its ancestors up to DVC: the first that DVC did not start."""
    line = [psutil.Process()]
    with suppress(psutil.Error):  # another user's, or it has just ended
        while parent := line[-1].parent():
            line.append(parent)
            if STARTED_BY_DVC not in parent.environ():
                break
    return line
