"""Signals to processes that tests start; imports nothing that is slow."""

import signal

from pipeline.process.interruption import ASKING


def hear_signals() -> None:
    """Undo that `nohup` and a shell's `&` make their children deaf."""
    for number in ASKING:
        signal.signal(number, signal.SIG_DFL)
