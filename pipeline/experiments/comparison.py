"""Differences between revisions of a task: in parameters, code and returns.

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
from pipeline.figures.series import continued, numbers, split_runs, thinned
from pipeline.statistics import (
    MIN_RUNS,
    Interval,
    bootstrap_interval,
    difference_interval,
    interquartile_mean,
)
from pipeline.task.artifacts import Table
from pipeline.task.schema import TaskParams

# The metrics of a mode that are compared, by their suffixes.
MEAN, LOW, HIGH, WORST = "", "_low", "_high", "_worst_run"
METRICS = tuple(mode + end for mode in MODES for end in (MEAN, LOW, HIGH, WORST))
# Parameters that define what a return means, including nested ones. Other `env` parameters do not.
RETURN_DEFINING = ("env.id", "env.kwargs", "env.max_episode_steps")
# Up to this many revisions are compared pairwise; with more, each is compared with the first.
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
    """A single number that describes a policy, over training."""

    name: str  # such as P(action 1)
    points: Smoothed
    final: NDArray[np.float64]  # [R], after training


class Result(NamedTuple):
    """The result of one revision of a task."""

    revision: str  # its name
    num_runs: int | None
    metrics: dict[str, float | None]  # as `metrics_of` returns, plus those of the policy's number
    # Mode → each run's mean return [R], and name of the policy's number → its values [R]. Empty if
    # the evaluation episodes are lost.
    means: dict[str, NDArray[np.float64]]


class Difference(NamedTuple):
    """The difference between two revisions."""

    first: str
    second: str
    measure: str  # a mode, for its returns, or the name of the policy's number
    difference: float | None  # second − first, of interquartile means; None if not comparable
    interval: Interval | None
    verdict: Verdict


class Comparison(NamedTuple):
    """One task in several revisions."""

    parameters: dict[str, dict[str, Any]]  # those that differ: name → revision → value
    code: list[str] | None  # files and packages that differ; None if not recorded
    results: list[Result]  # one per revision
    differences: list[Difference]  # one per compared pair and measure
    curves: dict[str, Smoothed]  # revision → learning curve, if it exists
    policies: dict[str, PolicyCurve]  # revision → the policy's number, if it exists
    notes: list[str]  # caveats about the data


def make_result(revision: str, evaluation: Table, policy: PolicyCurve | None = None) -> Result:
    """Compute the result of one revision from its evaluation episodes.

    Args:
        revision: Its name.
        evaluation: As for `metrics_of`.
        policy: The number that describes its policies, if there is one.

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
    """Return the single number that describes a bandit's policy, if there is one.

    Args:
        curve: The columns num_episodes and num_env_steps of the learning curve.
        distribution: As for `draw_policy`.

    Returns:
        The probability of the second of two actions, or the mean of a single continuous action.
        None if there are more actions, or if episodes have more than one step: a mean over steps
        then says little about what was learned.

    Raises:
        ValueError: As in `choose_actions`.
    """
    shown = choose_actions(distribution)
    if len(shown.actions) > 1 or not np.array_equal(curve["num_episodes"], curve["num_env_steps"]):
        return None
    values = continued(split_runs(distribution, f"{shown.kind}_{shown.actions[0]}"))
    num_episodes = continued(split_runs(distribution, "num_episodes"))
    kept = thinned(values.shape[1])
    points = Smoothed(num_episodes[:, kept], num_episodes[:, kept], values[:, kept], window=1)
    return PolicyCurve(axis_label(shown, shown.kind), points, values[:, -1])


def measures(results: Sequence[Result]) -> list[str]:
    """Return the modes, then the name of the policy's number if all results have it."""
    others = [name for name in results[0].means if name not in MODES]
    return [*MODES, *(name for name in others if all(name in r.means for r in results))]


def environments(
    parameters: Mapping[str, Mapping[str, Any]], sources: Mapping[str, str | None]
) -> list[Mapping[str, Any]]:
    """Collect the values that identify each revision's environment.

    Args:
        parameters: Those that differ, as `differing_parameters` returns them.
        sources: Revision → hash of its environment's sources, None if not recorded.

    Returns:
        Rows of revision → value. Returns are comparable only between revisions that agree in all
        rows.
    """
    rows = [
        values
        for name, values in parameters.items()
        if any(name == one or name.startswith(f"{one}.") for one in RETURN_DEFINING)
    ]
    return rows if None in sources.values() else [*rows, sources]


def differences(
    results: Sequence[Result],
    environments: Sequence[Mapping[str, Any]],
    names: Sequence[str] | None = None,
) -> list[Difference]:
    """Compare up to three revisions pairwise, or more with the first one, in each measure.

    Args:
        results: One per revision, at least one.
        environments: As the function of this name returns them.
        names: The measures to compare. Defaults to those that `measures` returns.
    """
    pairs = list(itertools.combinations(results, 2))
    if len(results) > MAX_ALL_PAIRS:
        pairs = [(results[0], other) for other in results[1:]]
    return [
        Difference(first.revision, second.revision, measure, None, None, "other environment")
        if any(values[first.revision] != values[second.revision] for values in environments)
        else difference(first, second, measure)
        for first, second in pairs
        for measure in names or measures(results)
    ]


def difference(first: Result, second: Result, measure: str) -> Difference:
    """Compare two revisions' interquartile means over runs.

    The verdict is `higher` or `lower` if the interval excludes 0 and both revisions have enough
    runs for a meaningful interval; see `statistics.difference_interval`.
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
    """Return the parameters in which revisions differ.

    Args:
        parameters: Revision → name (such as train.learning_rate) → value.

    Returns:
        Name → revision → value. A parameter that is left out has its default, or None without one.
    """
    names = dict.fromkeys(name for of_revision in parameters.values() for name in of_revision)
    return differing(
        {
            revision: {name: of_revision.get(name, _default(name)) for name in names}
            for revision, of_revision in parameters.items()
        }
    )


def differing(values: Mapping[str, Mapping[Key, Any]]) -> dict[Key, dict[str, Any]]:
    """Turn revision → key → value into key → revision → value, for keys whose values differ."""
    keys = dict.fromkeys(key for of_revision in values.values() for key in of_revision)
    rows = {key: {name: row.get(key) for name, row in values.items()} for key in keys}
    return {
        key: row
        for key, row in rows.items()
        if any(one != other for one, other in itertools.pairwise(row.values()))
    }


def _default(name: str) -> Any:
    """Return the default of a task's parameter, None if it has none."""
    *sections, last = name.split(".")
    section: Any = TaskParams
    try:
        for inner in sections:
            section = section.model_fields[inner].annotation
        field = section.model_fields[last]
    except (AttributeError, KeyError):  # a parameter of an environment, or of another version
        return None
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default
