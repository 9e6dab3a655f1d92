"""Environments that misbehave: what they did, and in which episode and step."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

import numpy as np

# What is expected of a third party's environment that fails. Let through, its SystemExit would end
# a stage as if all had been done.
ANYTHING = (Exception, SystemExit)


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
    return CopyFault(f"{type(error).__name__}: {' '.join(str(error).split())}", copy)


def require_shape(name: str, values: Any, shape: tuple[int, ...], copy: int | None) -> np.ndarray:
    """Convert what a copy returned to an array of this shape; NumPy alone would broadcast.

    Raises:
        CopyFault: If it has not.
    """
    array = np.asarray(values)
    if array.shape != shape:
        raise CopyFault(f"expected {name} of shape {shape}, received {array.shape}", copy)
    return array


class EnvironmentFault(Exception):  # noqa: N818  # the same
    """An environment cannot be used, or misbehaved. The message says what it did, and where."""


def close_quietly(environment: Closable) -> None:
    """Closes an environment that is used no more: what it raises then can spoil nothing."""
    with suppress(*ANYTHING):
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
