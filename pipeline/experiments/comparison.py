"""The differences between revisions of a task: parameters, and returns as far as runs tell.

R is the number of runs of one revision.
"""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.table import MODES, means_of_runs, metrics_of, rounded
from pipeline.figures.actions import axis_label, choose_actions
from pipeline.figures.learning_curve import Smoothed
from pipeline.figures.series import by_run, numbers, thinned
from pipeline.statistics import (
    MIN_RUNS,
    Interval,
    bootstrap_interval,
    difference_interval,
    interquartile_mean,
)
from pipeline.task.artifacts import Table
from pipeline.task.schema import TaskParams

# What is compared of the metrics of a mode, by what follows it in their names.
MEAN, LOW, HIGH, WORST = "", "_low", "_high", "_worst_run"
METRICS = tuple(mode + end for mode in MODES for end in (MEAN, LOW, HIGH, WORST))
# Parameters that define what a return means, with those below them. Others of `env` do not.
DEFINING_RETURNS = ("env.id", "env.kwargs", "env.max_episode_steps")
# As many revisions are compared each with each; of more, each with the first.
MAX_ALL_PAIRS = 3

Key = TypeVar("Key", bound=Hashable)
Verdict = Literal[
    "same",
    "higher",
    "lower",
    "not told apart",
    "too few runs",
    "single run",
    "runs missing",
    "other environment",
]


class PolicyCurve(NamedTuple):
    """The number that says what a policy does, over training."""

    name: str  # P(action 1)
    points: Smoothed
    final: NDArray[np.float64]  # [R], after training


class Result(NamedTuple):
    """The result of one revision of a task."""

    revision: str  # its name
    num_runs: int | None
    metrics: dict[str, float | None]  # as of `metrics_of`, and the same of a policy's number
    # Mode → mean return of each run, [R], and the name of a policy's number → that; empty if lost.
    means: dict[str, NDArray[np.float64]]


class Difference(NamedTuple):
    """The difference between two revisions."""

    first: str
    second: str
    measure: str  # a mode, for its returns, or the name of a policy's number
    difference: float | None  # second − first, of interquartile means over runs, if comparable
    interval: Interval | None
    verdict: Verdict


class Comparison(NamedTuple):
    """One task in several revisions."""

    parameters: dict[str, dict[str, Any]]  # that differ: name → revision → value
    code: list[str] | None  # files and folders that differ, None where that is not recorded
    results: list[Result]  # of each revision
    differences: list[Difference]  # of each compared pair, in each mode
    curves: dict[str, Smoothed]  # revision → learning curve, where there is one
    policies: dict[str, PolicyCurve]  # the same of a policy's number
    notes: list[str]  # what is to be known of these data


def make_result(revision: str, evaluation: Table, policy: PolicyCurve | None = None) -> Result:
    """Make the result of one revision from its evaluation episodes.

    Args:
        revision: Its name.
        evaluation: As `metrics_of` takes it.
        policy: The number that says what its policies do, if there is one.

    Raises:
        ValueError: If a mode has no episodes, or returns are not finite numbers.
    """
    for column in ("run", "episode_return", "discounted_return"):
        numbers(evaluation, column)
    means = {mode: means_of_runs(evaluation, mode, "episode_return") for mode in MODES}
    metrics = metrics_of(evaluation)
    if policy is not None:
        means[policy.name] = policy.final
        interval = bootstrap_interval(policy.final)
        metrics[policy.name] = rounded(interquartile_mean(policy.final))
        metrics[policy.name + LOW] = rounded(interval.low) if interval else None
        metrics[policy.name + HIGH] = rounded(interval.high) if interval else None
    return Result(revision, len(means["greedy"]), metrics, means)


def policy_curve(curve: Table, distribution: Table) -> PolicyCurve | None:
    """The one number that says what the policy of a bandit does, if there is one.

    Args:
        curve: The columns num_episodes and num_env_steps of the learning curve.
        distribution: As `draw_policy` takes it.

    Returns:
        The probability of the second of two actions, or the mean of a single continuous one; None
        of more actions, and where an episode has more than one step: a mean over steps then says
        little of what is learned.

    Raises:
        ValueError: As `choose_actions`.
    """
    shown = choose_actions(distribution)
    if len(shown.actions) > 1 or not np.array_equal(curve["num_episodes"], curve["num_env_steps"]):
        return None
    values = by_run(distribution, f"{shown.kind}_{shown.actions[0]}")
    num_episodes, kept = by_run(distribution, "num_episodes"), thinned(values.shape[1])
    points = Smoothed(num_episodes[:, kept], num_episodes[:, kept], values[:, kept], window=1)
    return PolicyCurve(axis_label(shown, shown.kind), points, values[:, -1])


def measures(results: Sequence[Result]) -> list[str]:
    """The modes, then a policy's number if all results have it."""
    others = [name for name in results[0].means if name not in MODES]
    return [*MODES, *(name for name in others if all(name in r.means for r in results))]


def environments(
    parameters: Mapping[str, Mapping[str, Any]], sources: Mapping[str, str | None]
) -> list[Mapping[str, Any]]:
    """Choose what tells the environments of revisions apart.

    Args:
        parameters: Those that differ, as of `differing_parameters`.
        sources: Revision → a hash of what its environment was made of, None if not recorded.

    Returns:
        Rows of revision → value: the returns of revisions with other values mean other things.
    """
    rows = [
        values
        for name, values in parameters.items()
        if any(name == one or name.startswith(f"{one}.") for one in DEFINING_RETURNS)
    ]
    return rows if None in sources.values() else [*rows, sources]


def differences(
    results: Sequence[Result], environments: Sequence[Mapping[str, Any]]
) -> list[Difference]:
    """Compares each pair of up to three revisions, of more each with the first; in each measure.

    Args:
        results: Of the revisions, at least one.
        environments: As of the function of this name.
    """
    pairs = list(itertools.combinations(results, 2))
    if len(results) > MAX_ALL_PAIRS:
        pairs = [(results[0], other) for other in results[1:]]
    return [
        Difference(first.revision, second.revision, measure, None, None, "other environment")
        if any(values[first.revision] != values[second.revision] for values in environments)
        else difference(first, second, measure)
        for first, second in pairs
        for measure in measures(results)
    ]


def difference(first: Result, second: Result, measure: str) -> Difference:
    """The difference of two revisions' interquartile means over runs.

    The verdict is `higher` or `lower` where the interval leaves out 0 and either revision has runs
    enough for that to mean something; see `statistics.difference_interval`.
    """
    names = (first.revision, second.revision, measure)
    if not (first.means and second.means):
        means = [float(result.metrics[measure] or 0) for result in (first, second)]
        return Difference(*names, means[1] - means[0], None, "runs missing")
    runs = (first.means[measure], second.means[measure])
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
