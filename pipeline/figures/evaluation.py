"""The picture of the evaluation: every episode's return, greedy and sampled."""

import math
from functools import partial

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.figures.panel import Panel, Part
from pipeline.figures.series import by_run
from pipeline.figures.style import BAND, COLORS, legend_below, new_figure, plural, styled
from pipeline.formatting import number, with_interval
from pipeline.statistics import bootstrap_interval, interquartile_mean
from pipeline.task.artifacts import Table


@styled
def draw_evaluation(evaluation: Table, task: str) -> Figure:
    """Draw episode returns by run, with the mean of each run; one panel per mode.

    The interquartile mean over runs and its interval are computed from the runs' means.

    Args:
        evaluation: The columns run, mode and episode_return of the evaluation, in the order in
            which episodes were played.
        task: The task's name, for the title.

    Raises:
        ValueError: If a column is missing, or if runs have different numbers of episodes.
    """
    shown = evaluation_part(evaluation).panels
    num_runs, num_episodes = _returns_by_run(evaluation, str(evaluation["mode"][0])).shape
    title = f"{task}: evaluation of {plural(num_runs, 'run')}, {plural(num_episodes, 'episode')}"
    figure = new_figure(4.0, f"{title} each")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, part in zip(panels, shown, strict=True):
        handles = part.draw(panel)
    panels[0].set_ylabel("episode return\n(sum of rewards)")
    legend_below(figure, handles)
    return figure


def evaluation_part(evaluation: Table) -> Part:
    """Return the panels of `draw_evaluation`, from the same columns, with the same errors."""
    modes = list(dict.fromkeys(map(str, evaluation["mode"])))
    returns = {mode: _returns_by_run(evaluation, mode) for mode in modes}
    num_runs, num_episodes = returns[modes[0]].shape
    note = f"Dots: {plural(num_episodes, 'episode')} per run. Diamonds: mean of each run."
    if num_runs > 1:
        note += (
            " Dashed line: interquartile mean over runs. Shaded: its 95% bootstrap interval, which "
            "treats runs, not episodes, as independent."
        )
    return Part([_panel(mode, returns[mode]) for mode in modes], note)


def _panel(mode: str, returns: NDArray[np.float64]) -> Panel:
    means = returns.mean(axis=1)
    interval = bootstrap_interval(means)
    low, high = (None, None) if interval is None else map(float, interval)
    label = "Mean of the run" if interval is None else f"Interquartile mean of {len(means)} runs"
    summary = (
        f"{label}: {with_interval(float(interquartile_mean(means)), low, high)}. Worst run: "
        f"{number(means.min())}. Best run: {number(means.max())}. Episodes: from "
        f"{number(returns.min())} to {number(returns.max())}."
    )
    return Panel(f"Episode return, {mode}", summary, partial(_draw_mode, mode, returns))


def _returns_by_run(evaluation: Table, mode: str) -> NDArray[np.float64]:
    of_mode = evaluation["mode"] == mode
    chosen = {name: evaluation[name][of_mode] for name in ("run", "episode_return")}
    return by_run(chosen, "episode_return")


def _draw_mode(mode: str, returns: NDArray[np.float64], panel: Axes) -> list[Artist]:
    num_runs, num_episodes = returns.shape
    runs = np.arange(num_runs)
    # Episodes stand side by side in the order of play, so equal returns stay countable.
    within_run = np.linspace(-0.3, 0.3, num_episodes) if num_episodes > 1 else np.zeros(1)
    handles: list[Artist] = [
        *panel.plot(
            (runs[:, None] + within_run).ravel(),
            returns.ravel(),
            linestyle="",
            marker="o",
            markersize=3,
            markeredgewidth=0,
            alpha=0.5,
            color=COLORS[0],
            label="episode",
            rasterized=True,  # 40,000 vector markers would take megabytes of SVG
        ),
        *panel.plot(
            runs,
            returns.mean(axis=1),
            linestyle="",
            marker="D",
            markersize=6,
            color=COLORS[1],
            markeredgecolor="black",
            label="mean of a run",
        ),
    ]
    panel.set_xlabel("run")
    panel.set_xticks(runs[:: math.ceil(num_runs / 12)])
    panel.set_xlim(-0.6, num_runs - 0.4)
    return handles + _draw_all_runs(panel, mode, returns.mean(axis=1))


def _draw_all_runs(panel: Axes, mode: str, means: NDArray[np.float64]) -> list[Artist]:
    mean, interval = float(interquartile_mean(means)), bootstrap_interval(means)
    if interval is None:
        panel.set_title(f"{mode}: mean {number(mean)}")
        return []
    low, high = map(float, interval)
    panel.set_title(f"{mode}: IQM {number(mean)} [{number(low)}, {number(high)}]")
    line = panel.axhline(
        mean, color="black", linestyle="--", label="interquartile mean (IQM) over runs"
    )
    band = panel.axhspan(low, high, color="black", zorder=0, label="95% bootstrap interval", **BAND)
    return [line, band]
