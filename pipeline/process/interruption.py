"""Being asked to stop: a signal that lets a training end where it can be continued.

Python calls the handler of a signal between two bytecodes of the main thread. A call of XLA is one
bytecode, and may compile for a minute. So a thread hears of signals as well, and answers.
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

# Ctrl-C; what ends a process in order, of `kill` or a cluster; a terminal that is closed.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 0.3  # seconds after Ctrl-C in which the main thread may end the process in order


class Interrupted(Exception):  # noqa: N818  # no error: what was asked for has been done
    """The work was asked to stop, and has stopped where it can be continued.

    Args:
        message: Where it stopped.
        number: The signal that asked.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, number)  # both, so that it can be pickled
        self.number = number

    def __str__(self) -> str:
        return str(self.args[0])


class Interruption:
    """A request to this process to stop, if there has been one."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None  # of the first signal that asked
        self.answered = False

    def raise_if_requested(self) -> None:
        """Raises `Interrupted` if this process has been asked to stop."""
        if self.number is not None:
            raise Interrupted(f"interrupted by {self.number.name}", self.number)


# What the thread that answers has to know of the main thread.
_interruptions: list[Interruption] = []  # while signals only ask to stop: the one that they set
_ending = threading.Event()  # KeyboardInterrupt has been raised


@contextmanager
def interruptible(
    signals: Sequence[signal.Signals], forward: Callable[[], None] = lambda: None
) -> Iterator[Interruption]:
    """Makes signals ask to stop instead of ending the process; those it ignores stay ignored.

    A SIGINT after the first signal raises KeyboardInterrupt: Ctrl-C, pressed again, means at once.

    Args:
        signals: Which.
        forward: Called when one arrives.
    """
    interruption = Interruption()

    def ask(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and interruption.number is not None:
            _end(number, frame)
        interruption.number = interruption.number or signal.Signals(number)
        forward()

    heard = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    _interruptions[:] = [interruption] if heard else []
    try:
        yield interruption
    finally:
        _interruptions.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def answering() -> Iterator[None]:
    """Answer signals in words at once, whatever the main thread computes.

    Where work is `interruptible`, the answer is that it is going to stop. Elsewhere Ctrl-C ends the
    process with status 130: by KeyboardInterrupt if the main thread gets to it, else without.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    threading.Thread(target=_answer, args=(reading, own_stderr()), daemon=True).start()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # else it is ignored
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
    """Print on a line of its own: on a terminal, there may be a bar or ^C."""
    with suppress(OSError):  # the terminal may have been closed
        print("\n" * file.isatty() + text, file=file, flush=True)


def own_stderr() -> TextIO:
    """Open the standard error anew: threads write to it while the process withholds its own."""
    if sys.stderr is None:
        return Path(os.devnull).open("w")
    return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")


def _end(_number: int, _frame: FrameType | None) -> None:
    _ending.set()
    raise KeyboardInterrupt


def _answer(reading: int, file: TextIO) -> None:
    """Answer in a file the signals whose numbers are written to a pipe as they arrive."""
    while True:
        number = os.read(reading, 1)[0]
        asked = [each for each in _interruptions if not each.answered]
        if asked:
            asked[0].answered = True
            text = "interrupted: saves how far it has come, then ends (Ctrl-C again: ends at once)"
            print_line(text, file)
        elif number == signal.SIGINT and not _ending.wait(PATIENCE):
            print_line("interrupted", file)
            os._exit(128 + signal.SIGINT)
