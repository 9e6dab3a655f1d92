"""Events and results of the runs that are trained to try values."""

from collections.abc import Sequence
from typing import NamedTuple

from reinforce.records import UpdateRecord


class RunStarted(NamedTuple):
    """A run is about to be trained."""


class RunEnded(NamedTuple):
    """A run has been trained."""

    final_return: float | None  # None if it diverged


class TimedRun(NamedTuple):
    """A run of a value."""

    records: Sequence[UpdateRecord]  # one for each update
    final_return: float | None  # None if it diverged
    seconds: float  # without compilation
