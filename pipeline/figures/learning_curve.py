"""The learning curve: mean episode return over training, every run and all together.

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
from pipeline.formatting import number, with_interval
from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table

# A point that averages fewer episodes shows their noise rather than the policy: a bandit's batch of
# one has a return of 0 or 1.
EPISODES_PER_POINT = 20

XAxis = Literal["num_episodes", "num_env_steps"]
X_LABELS: dict[XAxis, str] = {"num_episodes": "training episodes", "num_env_steps": "env steps"}


class Smoothed(NamedTuple):
    """A learning curve's moving averages over updates, where they are drawn."""

    num_episodes: NDArray[np.float64]  # [R, U], episodes of a run so far
    num_env_steps: NDArray[np.float64]  # [R, U]
    values: NDArray[np.float64]  # [R, U], mean episode return or another column
    window: int  # updates that a point averages
    kept: Sequence[tuple[int, int]] = ()  # run and point of each policy that was kept on the way


@styled
def draw_learning_curve(curve: Table, task: str) -> Figure:
    """Mean episode return of the updates' batches over episodes, and over env steps.

    The second panel is left out where every episode is one step long: it would repeat the first.

    Args:
        curve: the columns run, num_episodes, num_env_steps and mean_return of the learning curve,
            and kept if it has it.
        task: its name, for the title.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of updates.
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
    """The panels of `draw_learning_curve`, from the same columns; raises the same."""
    smoothed = smooth(curve)
    columns: list[XAxis] = ["num_episodes"]
    if not np.array_equal(smoothed.num_episodes, smoothed.num_env_steps):
        columns.append("num_env_steps")
    panels = [_panel(smoothed, column, "Mean episode return") for column in columns]
    return Part(
        panels, f"{_lines(smoothed)} Mean return of the episodes that each update learns from."
    )


def progress_part(curve: Table) -> Part:
    """The policy's entropy and the gradient's norm over training.

    Args:
        curve: the columns run, num_episodes, num_env_steps, entropy and gradient_norm of the
            learning curve, and kept if it has it.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of updates.
    """
    entropy, norm = smooth(curve, "entropy"), smooth(curve, "gradient_norm")
    panels = [
        _panel(entropy, "num_episodes", "Entropy"),
        _panel(norm, "num_episodes", "Gradient norm"),
    ]
    note = "Entropy of the action distribution in nats, mean over steps; norm before any clipping."
    return Part(panels, f"{_lines(entropy)} {note}", shares_y=False)


def smooth(curve: Table, column: str = "mean_return") -> Smoothed:
    """The points of a learning curve that are drawn.

    Args:
        curve: the columns run, num_episodes and num_env_steps of the learning curve, `column`, and
            kept if it has it.
        column: what is smoothed.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of updates.
    """
    num_episodes, num_env_steps = by_run(curve, "num_episodes"), by_run(curve, "num_env_steps")
    window = smoothing_window(num_episodes[0])
    values = moving_average(by_run(curve, column), window)
    shown = thinned(values.shape[1])
    kept = []
    marks = by_run(curve, "kept") if "kept" in curve else np.empty((0, 0))
    for run, update in np.argwhere(marks == 1):
        point = int(np.searchsorted(shown + window - 1, update))  # the first with this update in it
        kept.append((int(run), min(point, len(shown) - 1)))
    num_episodes, num_env_steps = (
        x[:, window - 1 :][:, shown] for x in (num_episodes, num_env_steps)
    )
    return Smoothed(num_episodes, num_env_steps, values[:, shown], window, kept)


def _panel(smoothed: Smoothed, x_column: XAxis, noun: str) -> Panel:
    """One column of the learning curve, over episodes or env steps."""
    x, y, label = getattr(smoothed, x_column), smoothed.values, X_LABELS[x_column]

    def draw(panel: Axes) -> Sequence[Artist]:
        handles = [*_draw_runs(panel, x, y), *_mark_kept(panel, x, y, smoothed.kept)]
        count_axis(panel, f"{label} of a run")
        panel.set_xlim(0, 1.03 * x.max())
        return handles

    return Panel(f"{noun} over {label}", _summary(x, y, label), draw)


def _mark_kept(
    panel: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kept: Sequence[tuple[int, int]],
) -> list[Artist]:
    """A ring where the policy of a run stood that was kept, if that is not the last one."""
    if not kept:
        return []
    rows, points = (list(indices) for indices in zip(*kept, strict=True))
    look: dict[str, Any] = {"markersize": 7, "markeredgewidth": 1.5, "zorder": 4}
    look |= {"markerfacecolor": "none", "markeredgecolor": COLORS[3], "linestyle": ""}
    label = "the policy that was kept"
    return [*panel.plot(x[rows, points], y[rows, points], marker="o", label=label, **look)]


def _summary(x: NDArray[np.float64], y: NDArray[np.float64], label: str) -> str:
    """Say where the mean over runs begins and ends."""
    common, aligned = on_common_x(x, y)
    if common.size == 0:
        return f"The runs share no number of {label}."
    ends = [float(interquartile_mean(aligned[:, place])) for place in (0, -1)]
    interval = bootstrap_interval(aligned[:, -1])
    low, high = (None, None) if interval is None else map(float, interval)
    who = "The run" if len(y) == 1 else f"Interquartile mean of {len(y)} runs"
    first, last = (f"{common[place]:,.0f}" for place in (0, -1))
    return (
        f"{who}: {number(ends[0])} after {first} {label}, "
        f"{with_interval(ends[1], low, high)} after {last}."
    )


def _lines(smoothed: Smoothed) -> str:
    """Explain the lines, in sentences."""
    num_runs, window = len(smoothed.values), smoothed.window
    points = f"Each point is {f'a mean over {window} updates' if window > 1 else 'one update'}."
    if num_runs == 1:
        return f"The only run. {points}"
    return (
        f"Faint: each of {num_runs} runs. Bold: their interquartile mean. Shaded: its 95 % "
        f"bootstrap interval. {points}"
    )


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
