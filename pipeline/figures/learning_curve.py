"""The learning curve: mean episode return over training, for each run and over all runs.

R is the number of runs, U the number of updates.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.figures.panel import Panel, Part
from pipeline.figures.series import (
    MAX_POINTS,
    continued,
    moving_average,
    on_common_x,
    split_runs,
    thinned,
)
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
from pipeline.formatting import number, with_interval
from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table

# With fewer episodes, a point shows their noise rather than the policy: in a bandit, a batch of one
# episode has a return of 0 or 1.
EPISODES_PER_POINT = 20

XAxis = Literal["num_episodes", "num_env_steps"]
X_LABELS: dict[XAxis, str] = {"num_episodes": "training episodes", "num_env_steps": "env steps"}


class Smoothed(NamedTuple):
    """Moving averages of a learning curve over updates, at the points that are drawn."""

    num_episodes: NDArray[np.float64]  # [R, U], episodes so far in the run
    num_env_steps: NDArray[np.float64]  # [R, U]
    values: NDArray[np.float64]  # [R, U], mean episode return or another column
    window: int  # the number of updates that a point averages
    kept: Sequence[tuple[int, int]] = ()  # run and point of each kept policy that is not the last


@styled
def draw_learning_curve(curve: Table, task: str) -> Figure:
    """Draw the mean episode return of each update's batch, over episodes and over env steps.

    The second panel is left out if every episode has one step, since it would repeat the first.

    Args:
        curve: The columns run, num_episodes, num_env_steps and mean_return of the learning curve,
            and optionally kept.
        task: The task's name, for the title.

    Raises:
        ValueError: If a column is missing, or if there is no run.
    """
    smoothed = smooth(curve)
    shown, num_runs = returns_part(curve).panels, len(smoothed.values)
    figure = new_figure(4.0, f"{task}: learning curve, {plural(num_runs, 'run')}")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    handles = [part.draw(panel) for panel, part in zip(panels, shown, strict=True)]
    window = smoothed.window
    points = f"moving average over {window} updates" if window > 1 else "at each update"
    panels[0].set_ylabel(f"mean episode return\n({points})")
    legend_below(figure, handles[0])
    return figure


def returns_part(curve: Table) -> Part:
    """Return the panels of `draw_learning_curve`, from the same columns, with the same errors."""
    smoothed = smooth(curve)
    columns: list[XAxis] = ["num_episodes"]
    if not np.array_equal(smoothed.num_episodes, smoothed.num_env_steps):
        columns.append("num_env_steps")
    panels = [_panel(smoothed, column, "Mean episode return") for column in columns]
    note = "The return is averaged over the episodes that an update learns from."
    return Part(panels, f"{_lines(smoothed)} {note}")


def progress_part(curve: Table) -> Part:
    """Return the panels of the policy's entropy and the gradient's norm over training.

    Args:
        curve: The columns run, num_episodes, num_env_steps, entropy and gradient_norm of the
            learning curve, and optionally kept.

    Raises:
        ValueError: If a column is missing, or if there is no run.
    """
    entropy, norm = smooth(curve, "entropy"), smooth(curve, "gradient_norm")
    panels = [
        _panel(entropy, "num_episodes", "Entropy"),
        _panel(norm, "num_episodes", "Gradient norm"),
    ]
    note = (
        "The entropy of the action distribution is in nats, averaged over steps. "
        "The gradient norm is measured before any clipping."
    )
    return Part(panels, f"{_lines(entropy)} {note}", shares_y=False)


def smooth(curve: Table, column: str = "mean_return") -> Smoothed:
    """Smooth a column of a learning curve and thin it to the points that are drawn.

    Args:
        curve: The columns run, num_episodes and num_env_steps of the learning curve, `column`, and
            optionally kept.
        column: The column to smooth.

    Raises:
        ValueError: If a column is missing, or if there is no run.
    """
    window = smoothing_window(min(split_runs(curve, "num_episodes"), key=len))
    values = continued([moving_average(run, window) for run in split_runs(curve, column)])
    shown = thinned(values.shape[1])
    kept = []
    for run, marks in enumerate(split_runs(curve, "kept") if "kept" in curve else ()):
        for update in np.flatnonzero(marks):
            point = int(np.searchsorted(shown + window - 1, update))  # the first with this update
            kept.append((run, min(point, len(shown) - 1)))
    num_episodes, num_env_steps = (
        continued([run[window - 1 :] for run in split_runs(curve, name)])[:, shown]
        for name in ("num_episodes", "num_env_steps")
    )
    return Smoothed(num_episodes, num_env_steps, values[:, shown], window, kept)


def _panel(smoothed: Smoothed, x_column: XAxis, noun: str) -> Panel:
    """Return the panel of one column of the learning curve, over episodes or env steps."""
    x, y, label = getattr(smoothed, x_column), smoothed.values, X_LABELS[x_column]

    def draw(panel: Axes) -> Sequence[Artist]:
        handles = [*_draw_runs(panel, x, y), *_mark_kept(panel, x, y, smoothed.kept)]
        count_axis(panel, f"{label} per run")
        panel.set_xlim(0, 1.03 * x.max())
        return handles

    return Panel(f"{noun} over {label}", _summary(x, y, label), draw)


def _mark_kept(
    panel: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kept: Sequence[tuple[int, int]],
) -> list[Artist]:
    """Draw a ring at each run's kept policy, if that is not the last one."""
    if not kept:
        return []
    rows, points = (list(indices) for indices in zip(*kept, strict=True))
    style: dict[str, Any] = {"markersize": 7, "markeredgewidth": 1.5, "zorder": 4}
    style |= {"markerfacecolor": "none", "markeredgecolor": COLORS[3], "linestyle": ""}
    label = "kept policy"
    return [*panel.plot(x[rows, points], y[rows, points], marker="o", label=label, **style)]


def _summary(x: NDArray[np.float64], y: NDArray[np.float64], label: str) -> str:
    """Describe where the mean over runs begins and ends."""
    common, aligned = on_common_x(x, y)
    if common.size == 0:
        return f"The runs have no range of {label} in common."
    ends = [float(interquartile_mean(aligned[:, i])) for i in (0, -1)]
    interval = bootstrap_interval(aligned[:, -1])
    low, high = (None, None) if interval is None else map(float, interval)
    subject = "The run" if len(y) == 1 else f"Interquartile mean of {len(y)} runs"
    first, last = (f"{common[i]:,.0f}" for i in (0, -1))
    return (
        f"{subject}: {number(ends[0])} after {first} {label}, "
        f"{with_interval(ends[1], low, high)} after {last}."
    )


def _lines(smoothed: Smoothed) -> str:
    """Return sentences that explain the lines."""
    num_runs, window = len(smoothed.values), smoothed.window
    points = f"Each point {f'averages {window} updates' if window > 1 else 'is one update'}."
    if num_runs == 1:
        return f"Line: the single run. {points}"
    return (
        f"Faint lines: the {num_runs} runs. Bold line: their interquartile mean. Shaded: its 95% "
        f"bootstrap interval. {points}"
    )


def smoothing_window(num_episodes: NDArray[np.float64]) -> int:
    """Return the number of updates that a point of the curve averages.

    The window covers at least `EPISODES_PER_POINT` episodes, and enough updates that the thinned
    curve skips none. It is at most a tenth of the training, since it would flatten a short one.

    Args:
        num_episodes: Episodes so far at each update, `[U]`.
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
    style: dict[str, Any] = {"marker": "o" if x.shape[1] == 1 else ""}
    if len(returns) == 1:
        return panel.plot(x[0], returns[0], color=COLORS[0], label="the run", **style, **BOLD)
    runs = panel.plot(x.T, returns.T, color="gray", **style, **FAINT)
    runs[0].set_label("each run")
    return [runs[0], *draw_mean_over_runs(panel, x, returns, color=COLORS[0], **style)]


def draw_mean_over_runs(
    panel: Axes, x: NDArray[np.float64], returns: NDArray[np.float64], *, color: str, **style: Any
) -> list[Artist]:
    """Draw the interquartile mean over runs as a bold line, and its interval as a band.

    Args:
        panel: The axes to draw on.
        x: `[R, U]`, ascending along each run.
        returns: `[R, U]`.
        color: The color of both.
        style: Further properties of the line.

    Returns:
        The line and the band. With one run, the line alone; nothing if the runs have no common
        range of x.
    """
    common, aligned = on_common_x(x, returns)
    if common.size == 0:
        return []
    mean, interval = interquartile_mean(aligned), bootstrap_interval(aligned)
    style = {"color": color, "label": "interquartile mean over runs"} | style
    drawn: list[Artist] = [*panel.plot(common, mean, **style, **BOLD)]
    if interval is not None:
        label = "95% bootstrap interval"
        drawn.append(panel.fill_between(common, *interval, color=color, label=label, **BAND))
    return drawn
