"""Environments that misbehave: what they did, and in which episode and step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

import numpy as np


class Closable(Protocol):
    """An object that holds something until it is closed."""

    def close(self) -> object:
        """Lets go of it."""


Environment = TypeVar("Environment", bound=Closable)


class CopyFault(Exception):  # noqa: N818  # the environment's, not this program's
    """One of parallel environments misbehaved.

    Args:
        text: What it did.
        copy: Which of them; None if that is not known.
    """

    def __init__(self, text: str, copy: int | None) -> None:
        super().__init__(text)
        self.copy = copy


def copy_fault(error: BaseException, copy: int | None) -> CopyFault:
    """Put what a copy raised into one line; a CopyFault stays as it is."""
    if isinstance(error, CopyFault):
        return error
    kind = "" if isinstance(error, EnvironmentFault) else f"{type(error).__name__}: "
    return CopyFault(f"{kind}{' '.join(str(error).split())}", copy)


def require_numbers(
    name: str,
    values: Any,
    shape: tuple[int, ...],
    copy: int | None,
    kind: tuple[str, str] = ("a number", "numbers"),
) -> np.ndarray:
    """Convert what a copy returned to an array of numbers or booleans.

    NumPy alone would broadcast, read numbers from text, and make NaN of None.

    Args:
        name: What they are, as in "the reward".
        values: What the copy returned.
        shape: The shape that they must have.
        copy: Which copy it was; None if that is not known.
        kind: What one of them is called, and several are.

    Raises:
        CopyFault: If they are no numbers, or of another shape.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.shape != shape:
        expected = f"{kind[1]} of shape {shape}" if shape else kind[0]
        received = f"{array.dtype} of shape {array.shape}"
        if not array.shape:
            received = f"{values!r:.60} of type {type(values).__name__}"
        raise CopyFault(f"expected {expected} as {name}, received {received}", copy)
    return array


def require_flags(name: str, values: Any, shape: tuple[int, ...], copy: int | None) -> np.ndarray:
    """Convert what a copy returned to booleans, as `require_numbers` does; 0 and 1 will do."""
    array = require_numbers(name, values, shape, copy, ("true or false", "booleans"))
    if array.dtype != bool and not set(array.ravel().tolist()) <= {0, 1}:
        raise CopyFault(f"expected true or false as {name}, received {array}", copy)
    return array.astype(bool, copy=False)


class EnvironmentFault(Exception):  # noqa: N818  # the same
    """An environment cannot be used, or misbehaved. The message says what it did, and where."""


@contextmanager
def raising(fault: Callable[[BaseException], Exception]) -> Iterator[None]:
    """Raise `fault(error)` in place of any error but Ctrl-C.

    Third parties' environments raise more than Exceptions. A SystemExit, let through, would end a
    stage as if all had been done; a panic of a library written in Rust is a BaseException.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if (raised := fault(error)) is error:
            raise
        raise raised from error


def close_quietly(environment: Closable) -> None:
    """Closes an environment that is used no more: what it raises then can spoil nothing."""
    with suppress(Exception), raising(RuntimeError):
        environment.close()


@contextmanager
def closing_quietly(environment: Environment) -> Iterator[Environment]:
    """Closes an environment in the end, as `close_quietly` does."""
    try:
        yield environment
    finally:
        close_quietly(environment)


def require_finite(name: str, values: np.ndarray, valid: np.ndarray) -> None:
    """Raises EnvironmentFault, which names episode and step, unless all values are finite.

    Args:
        name: What they are, as in "reward".
        values: `[B, T, …]`.
        valid: `[B, T]` bool; the rest does not count.
    """
    finite = np.isfinite(values).reshape(*valid.shape, -1).all(axis=-1)
    if not finite[valid].all():
        episode, step = np.argwhere(valid & ~finite)[0]
        raise EnvironmentFault(
            f"episode {episode}, step {step}: expected a finite {name}, received "
            f"{values[episode, step]}"
        )
