"""The differences between revisions of a task: parameters, and returns as far as runs tell.

R is the number of runs of one revision.
"""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.table import MODES, means_of_runs, metrics_of
from pipeline.figures.learning_curve import Smoothed
from pipeline.figures.series import numbers
from pipeline.statistics import MIN_RUNS, Interval, difference_interval, interquartile_mean
from pipeline.task.artifacts import Table
from pipeline.task.schema import TaskParams

# What is compared of the metrics of a mode, by what follows it in their names.
MEAN, LOW, HIGH, WORST = "", "_low", "_high", "_worst_run"
METRICS = tuple(mode + end for mode in MODES for end in (MEAN, LOW, HIGH, WORST))
# As many revisions are compared each with each; of more, each with the first.
MAX_ALL_PAIRS = 3

Key = TypeVar("Key", bound=Hashable)
Verdict = Literal[
    "same", "higher", "lower", "not told apart", "too few runs", "single run", "runs missing"
]


class Result(NamedTuple):
    """The result of one revision of a task."""

    revision: str  # its name
    num_runs: int | None
    metrics: dict[str, float | None]  # as of `metrics_of`
    means: dict[str, NDArray[np.float64]]  # mode → mean return of each run, [R]; empty where lost


class Difference(NamedTuple):
    """The difference between the returns of two revisions."""

    first: str
    second: str
    mode: str
    difference: float  # second − first, of the interquartile means over runs
    interval: Interval | None
    verdict: Verdict


class Comparison(NamedTuple):
    """One task in several revisions."""

    parameters: dict[str, dict[str, Any]]  # that differ: name → revision → value
    code: list[str] | None  # files and folders that differ, None where that is not recorded
    results: list[Result]  # of each revision
    differences: list[Difference]  # of each compared pair, in each mode
    curves: dict[str, Smoothed]  # revision → learning curve, where there is one
    notes: list[str]  # what is to be known of these data


def make_result(revision: str, evaluation: Table) -> Result:
    """Make the result of one revision from its evaluation episodes.

    Args:
        revision: Its name.
        evaluation: As `metrics_of` takes it.

    Raises:
        ValueError: If a mode has no episodes, or returns are not finite numbers.
    """
    for column in ("run", "episode_return", "discounted_return"):
        numbers(evaluation, column)
    means = {mode: means_of_runs(evaluation, mode, "episode_return") for mode in MODES}
    return Result(revision, len(means["greedy"]), metrics_of(evaluation), means)


def differences(results: Sequence[Result]) -> list[Difference]:
    """Compares each pair of up to three revisions, of more each with the first; in each mode."""
    pairs = list(itertools.combinations(results, 2))
    if len(results) > MAX_ALL_PAIRS:
        pairs = [(results[0], other) for other in results[1:]]
    return [difference(*pair, mode) for pair in pairs for mode in MODES]


def difference(first: Result, second: Result, mode: str) -> Difference:
    """The difference of two revisions' interquartile means over runs.

    The verdict is `higher` or `lower` where the interval leaves out 0 and either revision has runs
    enough for that to mean something; see `statistics.difference_interval`.
    """
    names = (first.revision, second.revision, mode)
    if not (first.means and second.means):
        means = [float(result.metrics[mode] or 0) for result in (first, second)]
        return Difference(*names, means[1] - means[0], None, "runs missing")
    runs = (first.means[mode], second.means[mode])
    means = [float(interquartile_mean(of_run)) for of_run in runs]
    interval = difference_interval(*runs)
    return Difference(*names, means[1] - means[0], interval, _verdict(*runs, interval))


def _verdict(
    first: NDArray[np.float64], second: NDArray[np.float64], interval: Interval | None
) -> Verdict:
    if np.array_equal(first, second) or np.ptp(np.concatenate([first, second])) == 0:
        return "same"
    if interval is None:
        return "single run"
    if interval.low <= 0 <= interval.high:
        return "not told apart"
    if min(len(first), len(second)) < MIN_RUNS:
        return "too few runs"
    return "higher" if interval.low > 0 else "lower"


def differing_parameters(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parameters in which revisions differ.

    Args:
        parameters: Revision → name, as in train.learning_rate → value.

    Returns:
        Name → revision → value; its default where it is left out, or None if it has none.
    """
    names = dict.fromkeys(name for of_revision in parameters.values() for name in of_revision)
    return differing(
        {
            revision: {name: of_revision.get(name, _default(name)) for name in names}
            for revision, of_revision in parameters.items()
        }
    )


def differing(values: Mapping[str, Mapping[Key, Any]]) -> dict[Key, dict[str, Any]]:
    """Turns revision → key → value into key → revision → value, for keys whose values differ."""
    keys = dict.fromkeys(key for of_revision in values.values() for key in of_revision)
    rows = {key: {name: row.get(key) for name, row in values.items()} for key in keys}
    return {
        key: row
        for key, row in rows.items()
        if any(one != other for one, other in itertools.pairwise(row.values()))
    }


def _default(name: str) -> Any:
    """The default of a task's parameter, None if it has none."""
    *sections, last = name.split(".")
    section: Any = TaskParams
    try:
        for inner in sections:
            section = section.model_fields[inner].annotation
        field = section.model_fields[last]
    except (AttributeError, KeyError):  # one of an environment, or of another version
        return None
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default
