"""Signals that stop training at a point where it can be resumed.

Python runs a signal handler between two bytecodes of the main thread. A call into XLA is a single
bytecode and may compile for a minute. So a second thread also receives signals and responds.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

# Ctrl-C; an orderly stop by `kill` or a cluster; a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 0.3  # after Ctrl-C, for the main thread to end the process in an orderly way


class Interrupted(Exception):  # noqa: N818  # not an error: the request to stop was fulfilled
    """The work stopped on request, at a point where it can be resumed.

    Args:
        message: The point where it stopped.
        number: The signal that requested the stop.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, number)  # both, so the exception can be pickled
        self.number = number

    def __str__(self) -> str:
        return str(self.args[0])


class Interruption:
    """A pending request to stop this process, or none."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None  # the first signal received
        self.acknowledged = False

    def raise_if_requested(self) -> None:
        """Raise `Interrupted` if a stop was requested."""
        if self.number is not None:
            raise Interrupted(f"interrupted by {self.number.name}", self.number)


# State of the main thread that the responding thread reads.
_interruptions: list[Interruption] = []  # inside `interruptible`: the one that signals set
_ending = threading.Event()  # KeyboardInterrupt has been raised


@contextmanager
def interruptible(
    signals: Sequence[signal.Signals], forward: Callable[[], None] = lambda: None
) -> Iterator[Interruption]:
    """Let signals request a stop instead of ending the process; ignored signals stay ignored.

    A SIGINT after the first signal raises KeyboardInterrupt: Ctrl-C pressed again stops at once.

    Args:
        signals: The signals that request a stop.
        forward: Called when a signal arrives.
    """
    interruption = Interruption()

    def request_stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and interruption.number is not None:
            _end(number, frame)
        interruption.number = interruption.number or signal.Signals(number)
        forward()

    handled = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, request_stop) for number in handled}
    _interruptions[:] = [interruption] if handled else []
    try:
        yield interruption
    finally:
        _interruptions.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def respond_to_signals() -> Iterator[None]:
    """Respond to signals at once, whatever the main thread is computing.

    Inside `interruptible`, the response is a message that the process is stopping. Elsewhere Ctrl-C
    ends the process with status 130: by KeyboardInterrupt if the main thread gets to run within
    `GRACE_SECONDS`, else directly.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    threading.Thread(target=_respond, args=(reading, duplicate_stderr()), daemon=True).start()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # otherwise it is ignored
        signal.signal(signal.SIGINT, _end)
    try:
        yield
    except KeyboardInterrupt:
        end_interrupted()


def end_interrupted() -> NoReturn:
    """End the process after KeyboardInterrupt."""
    print_line("interrupted", sys.stderr)
    sys.exit(128 + signal.SIGINT)


def print_line(text: str, file: TextIO) -> None:
    """Print on a new line: a terminal's current line may hold a progress bar or ^C."""
    with suppress(OSError):  # the terminal may have been closed
        print("\n" * file.isatty() + text, file=file, flush=True)


def duplicate_stderr() -> TextIO:
    """Duplicate the standard error, so threads can write to it while it is suppressed."""
    if sys.stderr is None:
        return Path(os.devnull).open("w")
    return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")


def _end(_number: int, _frame: FrameType | None) -> None:
    _ending.set()
    raise KeyboardInterrupt


def _respond(reading: int, file: TextIO) -> None:
    """Respond, in a file, to the signals whose numbers arrive in a pipe."""
    while True:
        number = os.read(reading, 1)[0]
        pending = [each for each in _interruptions if not each.acknowledged]
        if pending:
            pending[0].acknowledged = True
            advice = "press Ctrl-C again to stop now"
            print_line(f"interrupted: stopping as soon as progress is saved; {advice}", file)
        elif number == signal.SIGINT and not _ending.wait(GRACE_SECONDS):
            print_line("interrupted", file)
            os._exit(128 + signal.SIGINT)
