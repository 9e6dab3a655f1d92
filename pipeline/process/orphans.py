"""Stages that end when the `dvc` that started them is killed.

DVC starts a stage through a shell. If only DVC is killed, the shell and the stage keep running
unnoticed, and the next `dvc repro` would start the same stage again.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from itertools import pairwise

import psutil

STARTED_BY_DVC = "DVC_STAGE"  # an environment variable that DVC sets for the commands of its stages
POLL_SECONDS = 0.5


def end_with_dvc() -> None:
    """Send this process SIGTERM when the `dvc` that started it ends; do nothing without one.

    When a process ends, its children get a new parent. So if any process between this one and DVC
    has a new parent, an ancestor has ended.
    """
    if STARTED_BY_DVC in os.environ:
        threading.Thread(target=_watch, args=(_lineage_to_dvc(),), daemon=True).start()


def _watch(lineage: list[psutil.Process]) -> None:
    with suppress(psutil.NoSuchProcess):
        while all(process.ppid() == parent.pid for process, parent in pairwise(lineage)):
            time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _lineage_to_dvc() -> list[psutil.Process]:
    """Return this process and its ancestors up to DVC, the first that DVC did not start."""
    lineage = [psutil.Process()]
    with suppress(psutil.Error):  # the parent belongs to another user, or has just ended
        while parent := lineage[-1].parent():
            lineage.append(parent)
            if STARTED_BY_DVC not in parent.environ():
                break
    return lineage
