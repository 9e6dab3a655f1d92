"""The table of evaluation episodes: a row for each episode, with its run and mode of acting."""

from typing import Any, NamedTuple

import numpy as np

from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table

MODES = ("greedy", "sampled")  # ways of acting


class EvaluatedRun(NamedTuple):
    """The evaluation of one run's policy."""

    episodes: Table  # a row for each episode
    # Of the chosen policy only, the action distribution
    visited: Table | None  # at some steps that it sampled
    plane: Table | None  # over a plane of states
    episode: Table | None  # and what it did in a greedy one, step by step


def metrics_of(evaluation: Table) -> dict[str, float | None]:
    """Compute a task's metrics from its evaluation episodes.

    Args:
        evaluation: The columns `run`, `mode`, `episode_return` and `discounted_return`.

    Returns:
        For each mode the interquartile mean over runs of a run's mean return, its 95 % interval
        (None for a single run) and the worst run's mean; and the objective, the interquartile mean
        over runs of the mean discounted return of sampled episodes.
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
    """Average a column over each run's episodes of one mode, `[R]`, in the order of runs."""
    of_mode = evaluation["mode"] == mode
    runs, values = evaluation["run"][of_mode], evaluation[column][of_mode]
    return np.array([values[runs == run].mean() for run in np.unique(runs)])


def concatenated(tables: list[Table]) -> Table:
    """Put the rows of tables one after the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def discounted(rewards: np.ndarray, valid: np.ndarray, gamma: float) -> np.ndarray:
    """Compute the discounted return of each episode, `[B, T]` → `[B]`, in float64."""
    discounts = gamma ** np.arange(rewards.shape[1])
    return (rewards * valid) @ discounts


def rounded(value: Any) -> float:
    """Round to six significant digits, so that tables of metrics can be read."""
    return float(f"{float(value):.6g}")
