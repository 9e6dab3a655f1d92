"""Learning curves of several revisions: two panels for each task, side by side.

R is the number of runs, U the number of points in a curve, N the number of curves in a panel.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from pipeline.experiments.comparison import PolicyCurve
from pipeline.figures.learning_curve import X_LABELS, Smoothed, XAxis, draw_mean_over_runs
from pipeline.figures.style import (
    BAND,
    BOLD,
    COLORS,
    FAINT,
    LINE_STYLES,
    count_axis,
    legend_below,
    new_figure,
    plural,
    styled,
)

MAX_CURVES = len(COLORS)  # with more, colors would repeat
MIN_HEIGHT = 3.0  # inches, of a panel with its title and axis labels
AROUND = 0.8  # inches, of the title above and the labels below a panel
LABEL_SIZE = 9.0  # points
MAX_LABEL = 36  # characters per line
# The style of a longer run's line after the shortest run has ended.
TAIL: dict[str, Any] = FAINT | {"alpha": 0.7, "marker": ".", "markersize": 5, "markevery": [-1]}


class Curve(NamedTuple):
    """One revision's learning curve of a task."""

    revision: str
    caption: str  # text under the revision's name; zero or more lines
    points: Smoothed
    policy: PolicyCurve | None = None


class _Label(NamedTuple):
    """The label of a curve's last point."""

    text: str
    style_index: int  # of the curve's color and line style
    x: float  # of the point
    y: float

    @property
    def height(self) -> float:
        """The height in points, with the gap to the next label."""
        return (1.25 * (self.text.count("\n") + 1) + 0.5) * LABEL_SIZE


@styled
def draw_comparison(tasks: Mapping[str, Sequence[Curve]], noun: str = "revision") -> Figure:
    """Draw mean episode return over training: interquartile means over runs, with intervals.

    The left panel is over episodes, the right one over env steps. If every episode has one step,
    the two would be equal; the right panel then shows the policies' numbers, or is left out. A mean
    ends where the shortest run ends; the longer runs continue as single lines.

    A revision has the same color and line style in all panels. Only the first seven are drawn.

    Args:
        tasks: The curves of each task, at least one.
        noun: The word for what has a curve. Defaults to "revision".
    """
    revisions = list(dict.fromkeys(curve.revision for curves in tasks.values() for curve in curves))
    drawn = revisions[:MAX_CURVES]
    tasks = {
        task: shown
        for task, curves in tasks.items()
        if (shown := [curve for curve in curves if curve.revision in drawn])
    }
    title = f"learning curves of {plural(len(revisions), noun)}"
    if len(drawn) < len(revisions):
        title += f" (first {len(drawn)} shown)"
    figure = new_figure(1, title)
    rows = figure.subplots(len(tasks), 2, squeeze=False)
    labels = [
        _draw_task(left, right, task, curves, drawn)
        for (left, right), (task, curves) in zip(rows, tasks.items(), strict=True)
    ]
    heights = [
        max(MIN_HEIGHT, AROUND + sum(label.height for label in of_panel) / 72)
        for _, of_panel in labels
    ]
    figure.set_figheight(0.9 + sum(heights))
    rows[0, 0].get_gridspec().set_height_ratios(heights)
    handles: list[Artist] = [
        Line2D([], [], color="dimgray", label="interquartile mean over runs", **BOLD),
        Patch(color="dimgray", label="95% bootstrap interval", **BAND),
    ]
    if any(np.ptp(c.points.num_env_steps[:, -1]) > 0 for curves in tasks.values() for c in curves):
        label = "single run, after the shortest has ended"
        handles.append(Line2D([], [], color="dimgray", label=label, **TAIL))
    legend_below(figure, handles)
    figure.draw_without_rendering()  # runs the layout, which sets the panels' heights
    for panel, of_panel in labels:
        _draw_labels(panel, of_panel)
    return figure


def spread(
    wanted: NDArray[np.float64], sizes: NDArray[np.float64], low: float = 0.0, high: float = 1.0
) -> NDArray[np.float64]:
    """Move overlapping intervals apart, with the least squared displacement.

    Args:
        wanted: The wanted center of each interval, `[N]`.
        sizes: The length of each interval, `[N]`.
        low: The lower bound of all intervals.
        high: Their upper bound, if there is room for all of them.

    Returns:
        The centers, `[N]`, in the order of `wanted`.
    """
    order = np.lexsort((-np.arange(len(wanted)), wanted))  # among equals the first is on top
    # Neighboring centers must be at least half the sum of their sizes apart. Minus these offsets,
    # they must ascend.
    halves = sizes[order] / 2
    offsets = np.cumsum(halves) + np.concatenate([[0], np.cumsum(halves[:-1])])
    ascending = isotonic_regression(wanted[order] - offsets).x
    last = max(low, high - sizes.sum())
    centers = np.empty_like(wanted, dtype=np.float64)
    centers[order] = np.clip(ascending, low, last) + offsets
    return centers


def _draw_task(
    left: Axes, right: Axes, task: str, curves: Sequence[Curve], revisions: Sequence[str]
) -> tuple[Axes, list[_Label]]:
    """Draw the curves of one task. Return the panel to be labeled, and its labels."""
    names = [(_label_text(curve), revisions.index(curve.revision)) for curve in curves]
    points = [curve.points for curve in curves]
    policies = [curve.policy for curve in curves if curve.policy is not None]

    def draw(panel: Axes, x_axis: XAxis, shown: Sequence[Smoothed]) -> list[_Label]:
        lines = zip(names, shown, strict=True)
        labels = [
            _Label(*name, *_draw_curve(panel, getattr(one, x_axis), one.values, name[1]))
            for name, one in lines
        ]
        count_axis(panel, f"{X_LABELS[x_axis]} per run")
        panel.set_xlim(0, 1.03 * max(getattr(one, x_axis).max() for one in shown))
        return labels

    windows, num_runs = [one.window for one in points], [len(one.values) for one in points]
    left.set_title(f"{task}, {_range(num_runs)} run{'s' * (max(num_runs) > 1)}")
    smoothing = f"moving average over {_range(windows)} updates"
    left.set_ylabel(f"mean episode return\n({smoothing if max(windows) > 1 else 'at each update'})")
    labels = draw(left, "num_episodes", points)
    if any(not np.array_equal(one.num_episodes, one.num_env_steps) for one in points):
        right.sharey(left)
        return right, draw(right, "num_env_steps", points)
    if len({policy.name for policy in policies}) == 1 and len(policies) == len(curves):
        right.set_title(f"policy: {policies[0].name}")
        return right, draw(right, "num_episodes", [policy.points for policy in policies])
    right.remove()
    return left, labels


def _label_text(curve: Curve) -> str:
    lines = f"{curve.revision}\n{curve.caption}".rstrip().splitlines()
    return "\n".join(
        line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…" for line in lines
    )


def _draw_curve(
    panel: Axes, x: NDArray[np.float64], returns: NDArray[np.float64], index: int
) -> tuple[float, float]:
    """Draw a curve, x and returns `[R, U]`. Return its last point."""
    style = _line_style(index) | {"marker": "o" if x.shape[1] == 1 else ""}
    if draw_mean_over_runs(panel, x, returns, **style):
        end, last = (float(np.asarray(data)[-1]) for data in panel.lines[-1].get_data())
        for of_run, its_returns in zip(x, returns, strict=True):
            if of_run[-1] > end:
                tail = np.concatenate([[end], of_run[of_run > end]])
                panel.plot(tail, np.interp(tail, of_run, its_returns), color=COLORS[index], **TAIL)
        return end, last
    panel.plot(x.T, returns.T, **style, **FAINT)  # the runs have no common range of x
    return float(x[-1, -1]), float(returns[-1, -1])


def _draw_labels(panel: Axes, labels: Sequence[_Label]) -> None:
    """Write the labels next to the panel, each level with its curve's end if there is room."""
    height = panel.get_window_extent().height / panel.figure.dpi * 72  # points
    ends = panel.transData.transform([(label.x, label.y) for label in labels])
    wanted = panel.transAxes.inverted().transform(ends)[:, 1]
    centers = spread(wanted, np.array([label.height for label in labels]) / height)
    for label, center in zip(labels, centers, strict=True):
        panel.annotate(
            "",
            (label.x, label.y),
            (1.015, center),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "gray", "shrinkA": 0},
        )
        style: dict[str, Any] = _line_style(label.style_index) | BOLD | {"clip_on": False}
        panel.add_artist(Line2D([1.015, 1.06], [center] * 2, transform=panel.transAxes, **style))
        panel.text(
            1.07,
            center,
            label.text,
            transform=panel.transAxes,
            verticalalignment="center",
            fontsize=LABEL_SIZE,
            parse_math=False,
        )


def _line_style(index: int) -> dict[str, Any]:
    return {"color": COLORS[index], "linestyle": LINE_STYLES[index]}


def _range(values: Sequence[int]) -> str:
    """Return `20` or `5 to 20`."""
    return " to ".join(str(value) for value in sorted({min(values), max(values)}))
