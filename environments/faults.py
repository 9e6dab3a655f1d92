"""Errors of misbehaving environments, with episode and step, and checks that find them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

import numpy as np


class Closable(Protocol):
    """An object that holds resources until it is closed."""

    def close(self) -> object:
        """Release the resources."""


Environment = TypeVar("Environment", bound=Closable)


class CopyFault(Exception):  # noqa: N818  # a fault of the environment, not of this program
    """A fault of one of several environment copies.

    Args:
        text: The message, which says what the copy did.
        copy: The index of the copy; None if unknown.
    """

    def __init__(self, text: str, copy: int | None) -> None:
        super().__init__(text)
        self.copy = copy


def copy_fault(error: BaseException, copy: int | None) -> CopyFault:
    """Convert an error of a copy to a CopyFault with a message of one line."""
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

    NumPy alone would broadcast, read numbers from text, and convert None to NaN.

    Args:
        name: The name of the values in messages, such as "the reward".
        values: The values that the copy returned.
        shape: The expected shape.
        copy: The index of the copy; None if unknown.
        kind: The expected kind of value in messages, singular and plural.

    Raises:
        CopyFault: If the values are not numbers, or have another shape.
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
    """Convert what a copy returned to booleans, like `require_numbers`; accept 0 and 1."""
    array = require_numbers(name, values, shape, copy, ("true or false", "booleans"))
    if array.dtype != bool and not set(array.ravel().tolist()) <= {0, 1}:
        raise CopyFault(f"expected true or false as {name}, received {array}", copy)
    return array.astype(bool, copy=False)


class EnvironmentFault(Exception):  # noqa: N818  # see CopyFault
    """A fault of an environment. The message says what it did, in which episode and step."""


@contextmanager
def raising(fault: Callable[[BaseException], Exception]) -> Iterator[None]:
    """Raise `fault(error)` instead of any error except KeyboardInterrupt.

    Third-party environments do not only raise Exceptions. A SystemExit would end a stage as if it
    had succeeded, and a panic in a library written in Rust is a BaseException.
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
    """Close an environment, and ignore errors, since its results are already complete."""
    with suppress(Exception), raising(RuntimeError):
        environment.close()


@contextmanager
def closing_quietly(environment: Environment) -> Iterator[Environment]:
    """Close the environment with `close_quietly` on exit."""
    try:
        yield environment
    finally:
        close_quietly(environment)


def require_finite(name: str, values: np.ndarray, valid: np.ndarray) -> None:
    """Require finite values.

    Args:
        name: The name of the values in messages, such as "reward".
        values: `[B, T, …]`.
        valid: `[B, T]` bool; other values are not checked.

    Raises:
        EnvironmentFault: If a value is not finite. The message names episode and step.
    """
    finite = np.isfinite(values).reshape(*valid.shape, -1).all(axis=-1)
    if not finite[valid].all():
        episode, step = np.argwhere(valid & ~finite)[0]
        raise EnvironmentFault(
            f"episode {episode}, step {step}: expected a finite {name}, received "
            f"{values[episode, step]}"
        )
