"""The learning curve: mean episode return over training, every run and all together.

R is the number of runs, U the number of updates.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts import Table
from pipeline.figures.series import MAX_POINTS, by_run, moving_average, on_common_x, thinned
from pipeline.figures.style import (
    BAND,
    BOLD,
    COLORS,
    FAINT,
    count_axis,
    legend_below,
    new_figure,
    plural,
    styled,
)
from pipeline.statistics import bootstrap_interval, interquartile_mean

# A point that averages fewer episodes shows their noise rather than the policy: a bandit's batch of
# one has a return of 0 or 1.
EPISODES_PER_POINT = 20


class Smoothed(NamedTuple):
    """A learning curve's moving averages over updates, where they are drawn."""

    num_episodes: NDArray[np.float64]  # [R, U], episodes of a run so far
    num_env_steps: NDArray[np.float64]  # [R, U]
    returns: NDArray[np.float64]  # [R, U], mean episode return
    window: int  # updates that a point averages


@styled
def draw_learning_curve(curve: Table, task: str) -> Figure:
    """Mean episode return of the updates' batches over episodes, and over env steps.

    The second panel is left out where every episode is one step long: it would repeat the first.

    Args:
        curve: the columns run, num_episodes, num_env_steps and mean_return of the learning curve.
        task: its name, for the title.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of updates.
    """
    num_episodes, num_env_steps, returns, window = smooth(curve)
    num_runs = len(returns)
    figure = new_figure(4.0, f"{task}: learning curve, {plural(num_runs, 'run')}")
    x_axes = {"training episodes of a run": num_episodes}
    if not np.array_equal(num_episodes, num_env_steps):
        x_axes["env steps of a run"] = num_env_steps
    panels = figure.subplots(1, len(x_axes), sharey=True, squeeze=False)[0]
    handles = []
    for panel, (label, x) in zip(panels, x_axes.items(), strict=True):
        handles.append(_draw_runs(panel, x, returns))
        count_axis(panel, label)
        panel.set_xlim(0, 1.03 * x.max())
    smoothed = f"moving average over {window} updates" if window > 1 else "at each update"
    panels[0].set_ylabel(f"mean episode return\n({smoothed})")
    legend_below(figure, handles[0])
    return figure


def smooth(curve: Table) -> Smoothed:
    """The points of a learning curve that are drawn.

    Args:
        curve: the columns run, num_episodes, num_env_steps and mean_return of the learning curve.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of updates.
    """
    num_episodes, num_env_steps = by_run(curve, "num_episodes"), by_run(curve, "num_env_steps")
    window = smoothing_window(num_episodes[0])
    returns = moving_average(by_run(curve, "mean_return"), window)
    kept = thinned(returns.shape[1])
    num_episodes, num_env_steps = (
        x[:, window - 1 :][:, kept] for x in (num_episodes, num_env_steps)
    )
    return Smoothed(num_episodes, num_env_steps, returns[:, kept], window)


def smoothing_window(num_episodes: NDArray[np.float64]) -> int:
    """Over how many updates a point of the curve averages.

    Enough for `EPISODES_PER_POINT` episodes, and for the thinned curve to leave no update out; but
    no more than a tenth of the training, which would flatten a short one.

    Args:
        num_episodes: [U], episodes so far at each update.
    """
    num_updates = len(num_episodes)
    episodes_per_update = num_episodes[-1] / num_updates
    wanted = max(
        math.ceil(EPISODES_PER_POINT / episodes_per_update), math.ceil(num_updates / MAX_POINTS)
    )
    return max(1, min(wanted, num_updates // 10))


def _draw_runs(
    panel: Axes, x: NDArray[np.float64], returns: NDArray[np.float64]
) -> Sequence[Artist]:
    look: dict[str, Any] = {"marker": "o" if x.shape[1] == 1 else ""}
    if len(returns) == 1:
        return panel.plot(x[0], returns[0], color=COLORS[0], label="the run", **look, **BOLD)
    runs = panel.plot(x.T, returns.T, color="gray", **look, **FAINT)
    runs[0].set_label("each run")
    return [runs[0], *draw_mean_over_runs(panel, x, returns, color=COLORS[0], **look)]


def draw_mean_over_runs(
    panel: Axes, x: NDArray[np.float64], returns: NDArray[np.float64], *, color: str, **look: Any
) -> list[Artist]:
    """Draws the interquartile mean over runs as a bold line, and its interval as a band.

    Args:
        panel: where to draw.
        x: [R, U], ascending along each run.
        returns: [R, U].
        color: of both.
        look: further properties of the line.

    Returns:
        The line and the band: the line alone where there is one run, nothing where no x is common
        to all runs.
    """
    common, aligned = on_common_x(x, returns)
    if common.size == 0:
        return []
    mean, interval = interquartile_mean(aligned), bootstrap_interval(aligned)
    look = {"color": color, "label": "interquartile mean over runs"} | look
    drawn: list[Artist] = [*panel.plot(common, mean, **look, **BOLD)]
    if interval is not None:
        label = "its 95 % bootstrap interval"
        drawn.append(panel.fill_between(common, *interval, color=color, label=label, **BAND))
    return drawn
