"""Pictures of the policy: its action distribution over training and against observations.

`pipeline.figures.actions` defines *action*.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline.figures.actions import BEFORE_BOUNDS, ShownActions, axis_label, choose_actions
from pipeline.figures.panel import Panel, Part
from pipeline.figures.series import (
    binned_means,
    continued,
    numbered,
    numbers,
    split_runs,
    thinned,
)
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
from pipeline.formatting import number
from pipeline.task.artifacts import Table

MAX_OBSERVATIONS = 8
PANELS_PER_ROW = 4
# With more actions, points would hide each other, so only binned means are drawn.
MAX_SCATTERED = 2


@styled
def draw_policy(
    distribution_curve: Table, visited: Table, task: str, bounded: bool = False
) -> Figure:
    """Draw the action distribution over training, and against each observation that varies.

    With two actions, or two values of a component, only the second one's probability is drawn,
    since the first one's mirrors it.

    Args:
        distribution_curve: The columns run, num_episodes and the distribution's parameters,
            averaged over steps: probability_a for each action a; probability_i_a for value a of
            component i; or mean_i and standard_deviation_i for dimension i.
        visited: The columns observation_i and the distribution's parameters at each visited step.
        task: The task's name, for the title.
        bounded: Whether the environment's actions have bounds. Means are those before bounds apply.

    Raises:
        ValueError: If a column is missing, or if there is no run.
    """
    training, observed = policy_parts(distribution_curve, visited, bounded)
    num_rows = math.ceil(len(observed.panels) / PANELS_PER_ROW)
    heights = [3.2] + [0.7 + 2.1 * num_rows] * (num_rows > 0)
    figure = new_figure(sum(heights) + 0.7, f"{task}: what the policy does")
    subfigures = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    handles = _draw_training(subfigures[0], training)
    if observed.panels:
        _draw_observations(subfigures[1], observed, num_rows)
    if len(handles) > 1:
        legend_below(figure, handles)
    return figure


def policy_parts(
    distribution_curve: Table, visited: Table, bounded: bool = False
) -> tuple[Part, Part]:
    """Return the panels of `draw_policy`, from the same columns, with the same errors.

    Returns:
        The panels over training, and the panels for each observation that varies.
    """
    shown = choose_actions(distribution_curve, bounded)
    return _training_part(distribution_curve, shown), _observations_part(visited, shown)


def _training_part(distribution_curve: Table, shown: ShownActions) -> Part:
    kinds = ["probability"] if shown.kind == "probability" else ["mean", "standard_deviation"]
    num_runs = len(np.unique(distribution_curve["run"]))
    lines = " Faint: each run. Bold: median over runs." if num_runs > 1 else ""
    first = f"Over training: averaged over the steps of each batch.{lines}"
    note = "\n".join(filter(None, [first, shown.left_out, BEFORE_BOUNDS * shown.bounded]))
    panels = [_training_panel(distribution_curve, kind, shown) for kind in kinds]
    return Part(panels, note, shares_y=False)


def _training_panel(distribution_curve: Table, kind: str, shown: ShownActions) -> Panel:
    num_episodes = max(split_runs(distribution_curve, "num_episodes"), key=len)
    kept = thinned(len(num_episodes))
    runs = [
        continued(split_runs(distribution_curve, f"{kind}_{action}"))[:, kept]
        for action in shown.actions
    ]
    label = axis_label(shown, kind)

    def draw(panel: Axes) -> Sequence[Line2D]:
        for i, of_action in enumerate(runs):
            if len(of_action) > 1:
                panel.plot(num_episodes[kept], of_action.T, color=COLORS[i], **FAINT)
            panel.plot(num_episodes[kept], np.median(of_action, axis=0), **_line_style(i))
        count_axis(panel, "training episodes per run")
        panel.set_ylabel(label)
        return [Line2D([], [], label=noun, **_line_style(i)) for i, noun in enumerate(shown.nouns)]

    medians = [np.median(of_action[:, [0, -1]], axis=0) for of_action in runs]
    summary = _summary(shown, medians, "before training", "after it")
    limits = _limits(kind, shown)
    return Panel(_title(label, "over training"), summary, draw, limits, len(runs) > 1)


def _observations_part(visited: Table, shown: ShownActions) -> Part:
    observations = numbered(visited, "observation")
    varying = [name for name in observations if np.ptp(numbers(visited, name)) > 0]
    drawn = varying[:MAX_OBSERVATIONS]
    steps = plural(len(next(iter(visited.values()))), "step")
    points = "Points: single steps. " if len(shown.actions) <= MAX_SCATTERED else ""
    band = " ± the policy's standard deviation" if _has_band(shown) else ""
    note = (
        f"After training: {steps} of the exported policy with sampled actions.\n"
        f"{points}Lines: binned means{band}."
    )
    if len(varying) > len(drawn):
        note += f"\nShown: the first {len(drawn)} of {len(varying)} observations that vary."
    if shown.bounded:
        note += f"\n{BEFORE_BOUNDS}"
    title = _title(axis_label(shown, shown.kind), "against each observation")
    return Part([_observation_panel(visited, name, shown) for name in drawn], note, title=title)


def _observation_panel(visited: Table, name: str, shown: ShownActions) -> Panel:
    label = axis_label(shown, shown.kind)
    x, observation = numbers(visited, name), f"observation[{name.rpartition('_')[2]}]"
    binned = [binned_means(x, numbers(visited, f"{shown.kind}_{a}")) for a in shown.actions]
    low, high = (f"where it is {number(binned[0][0][i])}" for i in (0, -1))
    summary = _summary(shown, [means[[0, -1]] for _, means in binned], low, high)
    draw = partial(_draw_observation, visited, name, shown)
    title = _title(label, f"against {observation}")
    return Panel(title, summary, draw, _limits(shown.kind, shown))


def _title(label: str, over: str) -> str:
    return f"{label[0].upper()}{label[1:]} {over}"


def _summary(shown: ShownActions, ends: Sequence[Any], first: str, last: str) -> str:
    """Describe the first and last value of each line."""
    names = [f"{noun}: " for noun in shown.nouns] if len(shown.nouns) > 1 else [""]
    lines = [
        f"{name}{number(begin)} {first}, {number(end)} {last}"
        for name, (begin, end) in zip(names, ends, strict=True)
    ]
    return "; ".join(lines) + "."


def _limits(kind: str, shown: ShownActions) -> tuple[float | None, float | None]:
    if kind == "probability" and len(shown.actions) == 1:
        return -0.02, 1.02
    return (None, None) if kind == "mean" else (0, None)


def _line_style(index: int) -> dict[str, Any]:
    return {"color": COLORS[index], "linestyle": LINE_STYLES[index], **BOLD}


def _draw_training(subfigure: SubFigure, part: Part) -> Sequence[Artist]:
    axes = subfigure.subplots(1, len(part.panels), squeeze=False)[0]
    for panel, shown in zip(axes, part.panels, strict=True):
        handles = shown.draw(panel)
        panel.set_ylim(*shown.limits)
    subfigure.suptitle(part.note, fontsize="medium")
    return handles


def _draw_observations(subfigure: SubFigure, part: Part, num_rows: int) -> None:
    num_columns = math.ceil(len(part.panels) / num_rows)
    axes = subfigure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    for panel, shown in zip(axes.flat, part.panels, strict=False):
        shown.draw(panel)
    for panel in axes.flat[len(part.panels) :]:
        panel.remove()
    for panel in axes[:, 1:].flat:
        panel.set_ylabel("")
    axes[0, 0].set_ylim(*part.panels[0].limits)  # all panels share y
    subfigure.suptitle(part.note, fontsize="medium")


def _has_band(shown: ShownActions) -> bool:
    return shown.kind == "mean" and len(shown.actions) == 1


def _draw_observation(
    visited: Table, name: str, shown: ShownActions, panel: Axes
) -> Sequence[Artist]:
    x = numbers(visited, name)
    for i, action in enumerate(shown.actions):
        y = numbers(visited, f"{shown.kind}_{action}")
        if len(shown.actions) <= MAX_SCATTERED:
            panel.plot(
                x,
                y,
                ".",
                markersize=3,
                markeredgewidth=0,
                alpha=0.3,
                color=COLORS[i],
                rasterized=True,  # thousands of vector markers would take half a megabyte of SVG
            )
        centers, means = binned_means(x, y)
        panel.plot(centers, means, **_line_style(i))
        if _has_band(shown):
            deviations = binned_means(x, numbers(visited, f"standard_deviation_{action}"))[1]
            panel.fill_between(
                centers, means - deviations, means + deviations, color=COLORS[i], **BAND
            )
    panel.set_xlabel(f"observation[{name.rpartition('_')[2]}]")
    panel.set_ylabel(axis_label(shown, shown.kind))
    panel.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    return []
