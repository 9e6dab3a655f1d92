"""Maps of the action distribution over a plane of states."""

import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures.series import numbered, numbers
from pipeline.figures.style import new_figure, styled
from pipeline.task.artifacts import Table

COLOR_MAP = "cividis"  # for color-blind readers; its lightness increases, as grayscale needs
MAX_PANELS = 3  # side by side
TITLE_WIDTH = 32  # letters, with this many panels
NOTES_WIDTH = 92  # letters


class _Scale(NamedTuple):
    """The scale of colors."""

    low: float
    high: float
    middle: float | None = None  # where a line is drawn


@styled
def draw_plane(plane: Table, task: str, bounded: bool = False) -> Figure:
    """Draw the action distribution's parameters over the plane, side by side.

    With two actions, only the second one's probability is drawn, since the first one's mirrors it.
    Parameters that are the same everywhere are named in the title instead, or counted if there are
    more than three, unless all are. A white line marks a probability of 0.5 or a mean of 0.

    Args:
        plane: The first two columns are x and y, named by their axis labels, on a full grid. The
            others are the distribution's parameters: probability_a for each action a;
            probability_i_a for value a of component i; or mean_i and standard_deviation_i for
            dimension i.
        task: The task's name, for the title.
        bounded: Whether the environment's actions have bounds. Means are those before bounds apply.

    Raises:
        ValueError: If a column is missing, or if the points do not form a full grid.
    """
    x_label, y_label = list(plane)[:2]
    x, y = (np.unique(numbers(plane, label)) for label in (x_label, y_label))
    if len(x) * len(y) != len(plane[x_label]):
        raise ValueError(
            f"expected a full grid of {len(x)} by {len(y)} points, received {len(plane[x_label])}"
        )
    order = np.lexsort((plane[x_label], plane[y_label]))
    titles = _titles(plane)
    constant = [name for name in titles if _is_constant(numbers(plane, name))]
    remarks = []
    if len(constant) < len(titles):
        named = {name: titles.pop(name) for name in constant}
        remarks = [f"{t}: {_everywhere(numbers(plane, name))}" for name, t in named.items()]
        if len(remarks) > MAX_PANELS:
            remarks = [f"{len(remarks)} parameters are the same everywhere"]
    drawn = dict(list(titles.items())[:MAX_PANELS])
    if len(drawn) < len(titles):
        remarks.append(f"first {len(drawn)} of {len(titles)} maps")
    does = "what the policy does before action bounds apply" if bounded else "what the policy does"
    notes = textwrap.fill(
        f"({'; '.join(['other observations, if any, are fixed', *remarks])})", NOTES_WIDTH
    )
    figure = new_figure(4.6, f"{task}: {does}\n{notes}")
    panels = figure.subplots(1, len(drawn), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (name, subtitle) in zip(panels, drawn.items(), strict=True):
        values = numbers(plane, name)[order].reshape(len(y), len(x))
        scale = _scale(name, values)
        _draw_map(figure, panel, x, y, values, scale)
        text = subtitle + _remark(values, scale)
        panel.set_title(textwrap.fill(text, TITLE_WIDTH) if len(drawn) == MAX_PANELS else text)
        panel.set_xlabel(x_label)
    panels[0].set_ylabel(y_label)
    return figure


def _titles(plane: Table) -> dict[str, str]:
    """Return a title for each column that can be drawn: column → title."""
    if means := numbered(plane, "mean"):
        names = [n for m in means for n in (m, m.replace("mean", "standard_deviation"))]
        kinds, indices = zip(*(name.rsplit("_", 1) for name in names), strict=True)
        nouns = [f"action dimension {i}" if len(means) > 1 else "the action" for i in indices]
        titles = [f"{k.replace('_', ' ')} of {noun}" for k, noun in zip(kinds, nouns, strict=True)]
    elif names := numbered(plane, "probability"):
        names = names[1:] if len(names) == 2 else names
        titles = [f"probability of action {name.rpartition('_')[2]}" for name in names]
    elif names := numbered(plane, "probability", 2):
        titles = ["probability of component {} = {}".format(*n.split("_")[1:]) for n in names]
    else:
        raise ValueError(
            "expected columns probability_0, … or probability_0_0, … or mean_0, "
            f"standard_deviation_0, …, received {', '.join(plane)}"
        )
    return dict(zip(names, titles, strict=True))


def _scale(name: str, values: np.ndarray) -> _Scale:
    if name.startswith("probability"):
        return _Scale(0, 1, middle=0.5)
    largest = max(float(np.abs(values).max()), 1e-6)
    return _Scale(-largest, largest, middle=0) if name.startswith("mean") else _Scale(0, largest)


def _is_crossed(values: np.ndarray, scale: _Scale) -> bool:
    return scale.middle is not None and bool(values.min() < scale.middle < values.max())


def _is_constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= 1e-5 * np.abs(values).max())


def _everywhere(values: np.ndarray) -> str:
    return f"{values.mean():.3g} everywhere"


def _remark(values: np.ndarray, scale: _Scale) -> str:
    if _is_constant(values):
        return f": {_everywhere(values)}"
    return f" (white line: {scale.middle:g})" if _is_crossed(values, scale) else ""


def _draw_map(
    figure: Figure, panel: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, scale: _Scale
) -> None:
    """Draw a map of values `[len(y), len(x)]`, and its color bar."""
    mesh = panel.pcolormesh(
        x, y, values, cmap=COLOR_MAP, vmin=scale.low, vmax=scale.high, shading="gouraud"
    )
    figure.colorbar(mesh, ax=panel, shrink=0.9)
    if _is_crossed(values, scale):
        panel.contour(x, y, values, levels=[scale.middle], colors="white", linewidths=1.2)
    panel.grid(False)
