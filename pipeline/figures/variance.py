"""The picture of the gradient's noise with each baseline, before and after training."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullFormatter
from numpy.typing import NDArray

from pipeline.figures.series import numbers
from pipeline.figures.style import COLORS, legend_below, new_figure, plural, styled
from pipeline.task.artifacts import Table

MARKERS = ("o", "s", "^", "D")  # distinguish the baselines, in addition to colors
MAX_DECADES = 6  # of an axis; arrows at its edge mark values beyond it


class _Estimates(NamedTuple):
    """One statistic and both ends of its interval, `[baselines]`: at least 0, ∞ or NaN."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@styled
def draw_variance(table: Table, task: str) -> Figure:
    """Draw the gradient's total variance and signal-to-noise ratio, with a column for each policy.

    Args:
        table: The table of the stage `variance`: the columns policy, baseline, num_runs,
            num_batches and num_episodes; and total_variance, relative_variance, signal_to_noise and
            num_episodes_for_1, with both ends of their intervals (_low, _high).
        task: The task's name, for the title.

    Raises:
        ValueError: If a column is missing or does not hold numbers.
    """
    policies = list(dict.fromkeys(map(str, table["policy"])))
    runs, batches, episodes = (
        int(numbers(table, name)[0]) for name in ("num_runs", "num_batches", "num_episodes")
    )
    each = f"{batches:,} batches of {plural(episodes, 'episode')} per policy"
    title = f"{task}: gradient noise, {plural(runs, 'run')}, {each}"
    figure = new_figure(5.4, title)
    panels = figure.subplots(2, len(policies), sharex="row", sharey=True, squeeze=False)
    for row, name in enumerate(("relative_variance", "signal_to_noise")):
        panels[row, 0].set_xscale("log")
        panels[row, 0].set_xlim(_limits(_estimates(table, name)))
        panels[row, 0].xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        panels[row, 0].xaxis.set_minor_formatter(NullFormatter())
    for (top, bottom), policy in zip(panels.T, policies, strict=True):
        rows = {name: values[table["policy"] == policy] for name, values in table.items()}
        names = [str(name) for name in rows["baseline"]]
        _draw(top, names, _estimates(rows, "relative_variance"))
        _draw(bottom, names, _estimates(rows, "signal_to_noise"))
        _label_right(top, _estimates(rows, "total_variance"), "total variance")
        _label_right(bottom, _estimates(rows, "num_episodes_for_1"), "episodes for a ratio of 1")
        top.set_title(f"{policy} policy")
        top.set_xlabel("total variance relative to no baseline")
        bottom.set_xlabel("signal-to-noise ratio of the gradient")
    handles = [
        Line2D([], [], color="black", marker="o", label="estimate and 95% bootstrap interval"),
        Line2D([], [], color="black", marker="<", linestyle="", label="continues beyond the axis"),
    ]
    legend_below(figure, handles)
    return figure


def _estimates(table: Table, name: str) -> _Estimates:
    return _Estimates(*(numbers(table, name + end, finite=False) for end in ("", "_low", "_high")))


def _limits(estimates: _Estimates) -> tuple[float, float]:
    """Return the ends of a log axis that shows 0.1, 1 and, if possible, all estimates."""
    ends = np.append(np.concatenate(estimates), [0.1, 1.0])
    shown = ends[(ends > 0) & np.isfinite(ends)]
    high = 2 * shown.max()
    return max(shown.min() / 1.3, high / 10**MAX_DECADES), high


def _draw(panel: Axes, baselines: list[str], estimates: _Estimates) -> None:
    """Draw a line for each baseline, the first one on top."""
    left, right = panel.get_xlim()
    panel.axvline(1, color="black", linestyle="--", linewidth=1)
    for i, (value, low, high) in enumerate(zip(*estimates, strict=True)):
        color, y = COLORS[i % len(COLORS)], [i, i]
        if np.isnan(value) or _is_undetermined(low, high):
            panel.text(
                0.5,
                i,
                "undefined: zero variance" if np.isnan(value) else "undetermined: from 0 to ∞",
                ha="center",
                va="center",
                transform=panel.get_yaxis_transform(),
                backgroundcolor="white",
            )
            continue
        panel.plot(np.clip([low, high], left, right), y, color=color, linewidth=2.2)
        for end, edge, marker in ((low, left, "<"), (-high, -right, ">")):
            if end < edge:
                panel.plot(abs(edge), i, marker=marker, color=color, clip_on=False)
        if left <= value <= right:
            marker = MARKERS[i % len(MARKERS)]
            panel.plot(value, i, marker, color=color, markersize=8, markeredgecolor="black")
    panel.set_yticks(range(len(baselines)), baselines)
    panel.set_ylim(len(baselines) - 0.5, -0.5)


def _label_right(panel: Axes, estimates: _Estimates, label: str) -> None:
    """Write the estimates next to the lines, or the lower end if there is no upper end."""
    axis = panel.secondary_yaxis("right")
    texts = [_text(*ends) for ends in zip(*estimates, strict=True)]
    axis.set_yticks(range(len(texts)), texts)
    axis.tick_params(length=0)
    axis.spines["right"].set_visible(False)
    axis.set_ylabel(label)


def _is_undetermined(low: float, high: float) -> bool:
    return low == 0 and bool(np.isinf(high))


def _text(value: float, low: float, high: float) -> str:
    if np.isnan(value) or _is_undetermined(low, high):
        return "–"
    return f"≥ {_number(low)}" if low < high == np.inf else _number(value)


def _number(value: float) -> str:
    if np.isinf(value):
        return "∞"
    if value >= 100:
        return EngFormatter(places=0 if value < 1000 else 1, sep="")(value)
    return f"{value:.2g}"
