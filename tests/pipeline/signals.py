"""Signals to processes that tests start. This module has no slow imports."""

import signal

from pipeline.process.interruption import STOP_SIGNALS


def restore_stop_signals() -> None:
    """Restore the default handlers: under `nohup` or a shell's `&`, children ignore signals."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
