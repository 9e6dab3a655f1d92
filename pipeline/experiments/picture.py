"""Learning curves of several revisions side by side, one panel for each task.

R is the number of runs, U the number of points of a curve, N the number of curves of a panel.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

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
MAX_LABEL = 30  # characters of a line


class Curve(NamedTuple):
    """One revision's learning curve of a task."""

    revision: str
    caption: str  # what stands under the revision's name; may have several lines, or none
    points: Smoothed


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
def draw_comparison(
    tasks: Mapping[str, Sequence[Curve]], x_axis: XAxis = "num_env_steps"
) -> Figure:
    """Mean episode return over training: interquartile means over runs and their intervals.

    A revision has the same color and line style in each panel. Only the first seven are drawn.

    Args:
        tasks: the curves of each task, at least one.
        x_axis: along what they are drawn.
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
    panels = figure.subplots(len(tasks), 1, squeeze=False)[:, 0]
    labels = [
        _draw_task(panel, task, curves, drawn, x_axis)
        for panel, (task, curves) in zip(panels, tasks.items(), strict=True)
    ]
    heights = [
        max(MIN_HEIGHT, AROUND + sum(label.height for label in of_panel) / 72)
        for of_panel in labels
    ]
    figure.set_figheight(0.9 + sum(heights))
    panels[0].get_gridspec().set_height_ratios(heights)
    legend_below(
        figure,
        [
            Line2D([], [], color="dimgray", label="interquartile mean over runs", **BOLD),
            Patch(color="dimgray", label="its 95 % bootstrap interval", **BAND),
        ],
    )
    figure.draw_without_rendering()  # lays the panels out, which says how high they are
    for panel, of_panel in zip(panels, labels, strict=True):
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
    panel: Axes, task: str, curves: Sequence[Curve], places: Sequence[str], x_axis: XAxis
) -> list[_Label]:
    """Draws the curves of one task. Returns what is to stand beside them."""
    labels, windows, num_runs = [], [], []
    for curve in curves:
        points, place = curve.points, places.index(curve.revision)
        x = getattr(points, x_axis)
        last = _draw_curve(panel, x, points.values, place)
        labels.append(_Label(_label_text(curve), place, *last))
        windows.append(points.window)
        num_runs.append(len(x))
    panel.set_title(f"{task}, {_range(num_runs)} run{'s' * (max(num_runs) > 1)}")
    smoothing = f"moving average over {_range(windows)} updates"
    panel.set_ylabel(
        f"mean episode return\n({smoothing if max(windows) > 1 else 'at each update'})"
    )
    count_axis(panel, f"{X_LABELS[x_axis]} of a run")
    panel.set_xlim(0, 1.03 * max(label.x for label in labels))
    return labels


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
    if not draw_mean_over_runs(panel, x, returns, **look):  # no x is common to all runs
        panel.plot(x.T, returns.T, **look, **FAINT)
    x_data, y_data = (np.asarray(data) for data in panel.lines[-1].get_data())
    return float(x_data[-1]), float(y_data[-1])


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
