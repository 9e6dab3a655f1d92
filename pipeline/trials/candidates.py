"""Candidates of a search: values of parameters, judged by the final returns of several runs."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.schema import TaskParams

RUNGS = (1, 2)  # numbers of runs after which candidates are compared
KEPT = 3  # one in three goes on. Saved half of cartpole's search, without losing the best


class RunOutcome(NamedTuple):
    """A trained run."""

    final_return: float  # mean return of the last tenth of the updates
    mean_return: float  # of all updates; higher if the run learned sooner


class RunJob(NamedTuple):
    """A run of a task with changed parameters."""

    params: TaskParams
    run: int


class RunEnded(NamedTuple):
    """The report of a run that has ended."""

    outcome: RunOutcome | None  # None: diverged


class Candidate(NamedTuple):
    """Values of parameters, and the runs that were trained with them."""

    number: int
    values: dict[str, Any]  # name → value
    runs: list[RunOutcome | None]  # in order; None: diverged

    @property
    def diverged(self) -> bool:
        """True if any run diverged."""
        return None in self.runs

    @property
    def final_returns(self) -> list[float]:
        """The final returns of the runs that did not diverge."""
        return [run.final_return for run in self.runs if run is not None]

    def score(self, num_runs: int) -> tuple[float, float]:
        """Return the mean final return of the first runs and, for ties, that of all updates."""
        runs = [run for run in self.runs[:num_runs] if run is not None]
        if len(runs) < num_runs:
            return -math.inf, -math.inf
        final, mean = np.mean(runs, axis=0).tolist()
        return final, mean

    def estimate(self) -> tuple[float, float, float]:
        """Return the interquartile mean of the final returns, and its 95% interval.

        The interval of a single run is the run's return itself.
        """
        return _estimate(tuple(self.final_returns))

    def bound(self) -> float:
        """Return the lower end of the interval."""
        return self.estimate()[1]


def goes_on(candidate: Candidate, num_runs: int, others: Sequence[Candidate]) -> bool:
    """Return whether a candidate is among the best third after a number of runs.

    This is the rule of asynchronous successive halving (Li et al. 2020, "A System for Massively
    Parallel Hyperparameter Tuning").

    Args:
        candidate: The candidate, which has this many runs.
        num_runs: The number of runs.
        others: All candidates of the search; those with fewer runs do not count.
    """
    score = candidate.score(num_runs)
    scores = [other.score(num_runs) for other in others if len(other.runs) >= num_runs]
    num_better = sum(other > score for other in scores)
    return not candidate.diverged and num_better * KEPT < len(scores)


def ranked(candidates: Iterable[Candidate], num_runs: int) -> list[Candidate]:
    """Sort the candidates that have all runs: the highest lower bound first.

    Equal bounds are sorted by the mean return of all updates, which is higher if a run learned
    sooner.
    """
    complete = [c for c in candidates if len(c.runs) == num_runs and not c.diverged]
    return sorted(complete, key=lambda c: (-c.bound(), -c.score(num_runs)[1], c.number))


@cache  # after each run, all candidates are ranked again
def _estimate(returns: tuple[float, ...]) -> tuple[float, float, float]:
    mean = float(interquartile_mean(returns))
    interval = bootstrap_interval(returns)
    low, high = (mean, mean) if interval is None else map(float, interval)
    return mean, low, high
