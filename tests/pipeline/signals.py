"""Signals to processes that tests start; imports nothing that is slow."""

import signal

from pipeline.process.interruption import STOP_SIGNALS


def hear_signals() -> None:
    """Undo that `nohup` and a shell's `&` make their children deaf."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
