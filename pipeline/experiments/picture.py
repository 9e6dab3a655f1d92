"""Learning curves of several revisions: two panels for each task, side by side.

R is the number of runs, U the number of points of a curve, N the number of curves of a panel.
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

MAX_CURVES = len(COLORS)  # of more, colors would repeat
MIN_HEIGHT = 3.0  # inches of a panel with what is above and below it
AROUND = 0.8  # inches above and below a panel
LABEL_SIZE = 9.0  # points
MAX_LABEL = 36  # characters of a line
# Of a run where a shorter one has ended, to its own end.
TAIL: dict[str, Any] = FAINT | {"alpha": 0.7, "marker": ".", "markersize": 5, "markevery": [-1]}


class Curve(NamedTuple):
    """One revision's learning curve of a task."""

    revision: str
    caption: str  # what stands under the revision's name; may have several lines, or none
    points: Smoothed
    policy: PolicyCurve | None = None


class _Label(NamedTuple):
    """Label the last point of a curve."""

    text: str
    place: int  # of the curve's color and line style
    x: float  # of the point
    y: float

    @property
    def height(self) -> float:
        """In points, with the gap to the next."""
        return (1.25 * (self.text.count("\n") + 1) + 0.5) * LABEL_SIZE


@styled
def draw_comparison(tasks: Mapping[str, Sequence[Curve]]) -> Figure:
    """Mean episode return over training: interquartile means over runs and their intervals.

    On the left over episodes, on the right over env steps. Where every episode is one step long,
    that would be the same: the right panel shows what the policies do, or is left out. A mean ends
    where its shortest run does; the other runs go on, each by itself.

    A revision has the same color and line style in each panel. Only the first seven are drawn.

    Args:
        tasks: the curves of each task, at least one.
    """
    revisions = list(dict.fromkeys(curve.revision for curves in tasks.values() for curve in curves))
    drawn = revisions[:MAX_CURVES]
    tasks = {
        task: shown
        for task, curves in tasks.items()
        if (shown := [curve for curve in curves if curve.revision in drawn])
    }
    title = f"learning curves of {plural(len(revisions), 'revision')}"
    if len(drawn) < len(revisions):
        title += f", of which the first {len(drawn)}"
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
        Patch(color="dimgray", label="its 95 % bootstrap interval", **BAND),
    ]
    if any(np.ptp(c.points.num_env_steps[:, -1]) > 0 for curves in tasks.values() for c in curves):
        handles.append(
            Line2D([], [], color="dimgray", label="a run, where the shortest has ended", **TAIL)
        )
    legend_below(figure, handles)
    figure.draw_without_rendering()  # lays the panels out, which says how high they are
    for panel, of_panel in labels:
        _draw_labels(panel, of_panel)
    return figure


def spread(
    wanted: NDArray[np.float64], sizes: NDArray[np.float64], low: float = 0.0, high: float = 1.0
) -> NDArray[np.float64]:
    """Moves intervals apart that overlap, as little as possible (least squares).

    Args:
        wanted: [N], the middle of each.
        sizes: [N], the length of each.
        low: where the first may begin.
        high: where the last is to end, if there is room for all.

    Returns:
        [N], the middles, in the order of `wanted` and within the bounds.
    """
    order = np.lexsort((-np.arange(len(wanted)), wanted))  # of equal ones the first on top
    # Middles at least half of both neighbours' sizes apart are, less these distances, ascending.
    halves = sizes[order] / 2
    offsets = np.cumsum(halves) + np.concatenate([[0], np.cumsum(halves[:-1])])
    ascending = isotonic_regression(wanted[order] - offsets).x
    last = max(low, high - sizes.sum())
    middles = np.empty_like(wanted, dtype=np.float64)
    middles[order] = np.clip(ascending, low, last) + offsets
    return middles


def _draw_task(
    left: Axes, right: Axes, task: str, curves: Sequence[Curve], places: Sequence[str]
) -> tuple[Axes, list[_Label]]:
    """Draws the curves of one task. Returns what is to stand beside which panel."""
    names = [(_label_text(curve), places.index(curve.revision)) for curve in curves]
    points = [curve.points for curve in curves]
    policies = [curve.policy for curve in curves if curve.policy is not None]

    def draw(panel: Axes, x_axis: XAxis, shown: Sequence[Smoothed]) -> list[_Label]:
        lines = zip(names, shown, strict=True)
        labels = [
            _Label(*name, *_draw_curve(panel, getattr(one, x_axis), one.values, name[1]))
            for name, one in lines
        ]
        count_axis(panel, f"{X_LABELS[x_axis]} of a run")
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
        right.set_title(f"what the policies do: {policies[0].name}")
        return right, draw(right, "num_episodes", [policy.points for policy in policies])
    right.remove()
    return left, labels


def _label_text(curve: Curve) -> str:
    lines = f"{curve.revision}\n{curve.caption}".rstrip().splitlines()
    return "\n".join(
        line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…" for line in lines
    )


def _draw_curve(
    panel: Axes, x: NDArray[np.float64], returns: NDArray[np.float64], place: int
) -> tuple[float, float]:
    """Draws a curve, x and returns [R, U]. Returns where it ends."""
    look = _look(place) | {"marker": "o" if x.shape[1] == 1 else ""}
    if draw_mean_over_runs(panel, x, returns, **look):
        end, last = (float(np.asarray(data)[-1]) for data in panel.lines[-1].get_data())
        for of_run, its_returns in zip(x, returns, strict=True):
            if of_run[-1] > end:
                tail = np.concatenate([[end], of_run[of_run > end]])
                panel.plot(tail, np.interp(tail, of_run, its_returns), color=COLORS[place], **TAIL)
        return end, last
    panel.plot(x.T, returns.T, **look, **FAINT)  # no x is common to all runs
    return float(x[-1, -1]), float(returns[-1, -1])


def _draw_labels(panel: Axes, labels: Sequence[_Label]) -> None:
    """Writes the labels beside the panel, each level with its curve's end if there is room."""
    height = panel.get_window_extent().height / panel.figure.dpi * 72  # points
    ends = panel.transData.transform([(label.x, label.y) for label in labels])
    wanted = panel.transAxes.inverted().transform(ends)[:, 1]
    middles = spread(wanted, np.array([label.height for label in labels]) / height)
    for label, middle in zip(labels, middles, strict=True):
        panel.annotate(
            "",
            (label.x, label.y),
            (1.015, middle),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "gray", "shrinkA": 0},
        )
        look: dict[str, Any] = _look(label.place) | BOLD | {"clip_on": False}
        panel.add_artist(Line2D([1.015, 1.06], [middle] * 2, transform=panel.transAxes, **look))
        panel.text(
            1.07,
            middle,
            label.text,
            transform=panel.transAxes,
            verticalalignment="center",
            fontsize=LABEL_SIZE,
            parse_math=False,
        )


def _look(place: int) -> dict[str, Any]:
    return {"color": COLORS[place], "linestyle": LINE_STYLES[place]}


def _range(values: Sequence[int]) -> str:
    """`20`, or `5 to 20`."""
    return " to ".join(str(value) for value in sorted({min(values), max(values)}))
