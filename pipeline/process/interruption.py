"""Being asked to stop: a signal that lets a training end where it can be continued."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# Ctrl-C; what ends a process in order, of `kill` or a cluster; a terminal that is closed.
ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    def raise_if_asked(self) -> None:
        """Raises `Interrupted` if this process has been asked to stop."""
        if self.number is not None:
            raise Interrupted(f"interrupted by {self.number.name}", self.number)


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

    def ask(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and interruption.number is not None:
            raise KeyboardInterrupt
        interruption.number = interruption.number or signal.Signals(number)
        forward()

    heard = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
