"""A picture of a search: every value that was tried, against its final return."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from pipeline.figures.style import COLORS, legend_below, new_figure, plural, png, styled
from pipeline.trials.candidates import Candidate, ranked
from pipeline.trials.ranges import Ranges
from pipeline.trials.values import as_yaml

MAX_COLUMNS = 3
SPREAD = 0.25  # half the width over which the candidates with the same choice are spread


@styled
def draw_search(
    task: str,
    candidates: Sequence[Candidate],
    ranges: Ranges,
    num_runs: int,
    importances: Mapping[str, float],
) -> Figure:
    """Draw a panel for each parameter, the most important one first.

    Args:
        task: The task's name.
        candidates: The candidates, each with at least one run.
        ranges: The searched ranges.
        num_runs: Runs of each candidate that was not stopped early.
        importances: Shares of the parameters, which sum to 1.
    """
    best = next(iter(ranked(candidates, num_runs)), None)
    num_complete = sum(len(c.runs) == num_runs and not c.diverged for c in candidates)
    title = (
        f"{task}: {plural(len(candidates), 'candidate')}, "
        f"{num_complete:,} with all {plural(num_runs, 'run')}"
    )
    names = sorted(ranges, key=lambda name: -importances.get(name, 0))
    columns = min(len(names), MAX_COLUMNS)
    rows = math.ceil(len(names) / columns)
    figure = new_figure(0.8 + 3.0 * rows, title)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    for panel, name in zip(panels.flat, names, strict=False):
        _draw_panel(panel, name, candidates, ranges[name], num_runs, best)
        if name in importances:
            panel.set_title(f"importance {importances[name]:.0%}")
    for panel in panels[:, 0]:
        panel.set_ylabel("final return, mean over runs")
    legend_below(figure, _legend(candidates, num_runs))
    return figure


def draw_png(*arguments: Any) -> bytes:
    """Draw a search as a PNG; see `draw_search`."""
    return png(draw_search(*arguments))


def _draw_panel(
    axes: Axes,
    name: str,
    candidates: Sequence[Candidate],
    searched: Any,
    num_runs: int,
    best: Candidate | None,
) -> None:
    positions = _positions(axes, [c.values[name] for c in candidates], searched)
    worst = min((r for c in candidates for r in c.final_returns), default=0.0)
    for x, candidate in zip(positions, candidates, strict=True):
        if candidate.diverged:
            axes.plot(x, worst, "x", color=COLORS[3], markersize=5)
        elif len(candidate.runs) < num_runs:
            axes.plot(x, np.mean(candidate.final_returns), **_STOPPED)
        else:
            mean, low, high = candidate.estimate()
            axes.plot([x, x], [low, high], color=COLORS[0], alpha=0.35, linewidth=1, zorder=2)
            axes.plot(x, mean, **(_BEST if candidate is best else _COMPLETE))
    axes.set_xlabel(name)


def _positions(axes: Axes, values: Sequence[Any], searched: Any) -> list[float]:
    """Prepare the x-axis of a range; return the positions of values."""
    if isinstance(searched, list):
        axes.set_xticks(range(len(searched)), [as_yaml(value) for value in searched])
        axes.set_xlim(-0.5, len(searched) - 0.5)
        axes.grid(visible=False, axis="x")
        spread = np.linspace(-SPREAD, SPREAD, len(values))
        return [searched.index(value) + s for value, s in zip(values, spread, strict=True)]
    low, high = searched["low"], searched["high"]
    if searched.get("log"):
        axes.set_xscale("log")
        margin = (high / low) ** 0.03
        axes.set_xlim(low / margin, high * margin)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.03 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    return list(values)


_STOPPED: dict[str, Any] = {
    "marker": "o",
    "color": "0.6",
    "alpha": 0.5,
    "markersize": 4,
    "markeredgewidth": 0,
}
_COMPLETE: dict[str, Any] = {
    "marker": "o",
    "color": COLORS[0],
    "markersize": 6,
    "markeredgecolor": "white",
    "zorder": 3,
}
_BEST: dict[str, Any] = {
    "marker": "*",
    "color": COLORS[1],
    "markersize": 15,
    "markeredgecolor": "black",
    "zorder": 4,
}


def _legend(candidates: Sequence[Candidate], num_runs: int) -> list[Line2D]:
    """Return the legend's entries, for what is drawn."""
    none: dict[str, Any] = {"linestyle": "none"}
    handles = [Line2D([], [], label="stopped early", **_STOPPED | none)]
    if ranked(candidates, num_runs):
        handles = [
            Line2D([], [], label="highest lower bound", **_BEST | none),
            Line2D(
                [], [], label=f"{plural(num_runs, 'run')}, with 95% interval", **_COMPLETE | none
            ),
            *handles,
        ]
    if any(candidate.diverged for candidate in candidates):
        handles.append(Line2D([], [], marker="x", color=COLORS[3], label="diverged", **none))
    return handles
