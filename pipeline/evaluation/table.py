"""The table of evaluation episodes: one row per episode, with its run and mode."""

from typing import Any, NamedTuple

import numpy as np

from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table

MODES = ("greedy", "sampled")  # of choosing actions


class EvaluatedRun(NamedTuple):
    """The evaluation of one run's policy."""

    episodes: Table  # one row per episode
    # For the chosen policy only:
    visited: Table | None  # the action distribution at some sampled steps
    plane: Table | None  # the action distribution over a plane of states
    episode: Table | None  # rewards and actions of a greedy episode, one row per step


def metrics_of(evaluation: Table) -> dict[str, float | None]:
    """Compute a task's metrics from its evaluation episodes.

    Args:
        evaluation: The columns `run`, `mode`, `episode_return` and `discounted_return`.

    Returns:
        For each mode: the interquartile mean over runs of a run's mean return, its 95% interval
        (None for a single run) and the worst run's mean return. And the objective: the
        interquartile mean over runs of the mean discounted return of sampled episodes.
    """
    metrics: dict[str, float | None] = {}
    for mode in MODES:
        means = means_of_runs(evaluation, mode, "episode_return")
        interval = bootstrap_interval(means)
        metrics[mode] = rounded(interquartile_mean(means))
        metrics[f"{mode}_low"] = rounded(interval.low) if interval else None
        metrics[f"{mode}_high"] = rounded(interval.high) if interval else None
        metrics[f"{mode}_worst_run"] = rounded(means.min())
    objectives = means_of_runs(evaluation, "sampled", "discounted_return")
    metrics["objective"] = rounded(interquartile_mean(objectives))
    return metrics


def means_of_runs(evaluation: Table, mode: str, column: str) -> np.ndarray:
    """Average a column over each run's episodes of one mode: `[R]`, in the order of runs."""
    of_mode = evaluation["mode"] == mode
    runs, values = evaluation["run"][of_mode], evaluation[column][of_mode]
    return np.array([values[runs == run].mean() for run in np.unique(runs)])


def concatenated(tables: list[Table]) -> Table:
    """Concatenate the rows of tables."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def discounted(rewards: np.ndarray, valid: np.ndarray, gamma: float) -> np.ndarray:
    """Return each episode's discounted return in float64: `[B, T]` → `[B]`."""
    discounts = gamma ** np.arange(rewards.shape[1])
    return (rewards * valid) @ discounts


def rounded(value: Any) -> float:
    """Round to six significant digits, which keeps tables of metrics readable."""
    return float(f"{float(value):.6g}")
