"""What the policy does: its action distribution over training, and over what it observes.

R is the number of runs, U the number of points of each over training. An *action* stands for one of
the actions of a categorical distribution, for one value of one component of a factorised one, or
for one dimension of a normal one.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts import Table
from pipeline.figures.series import binned_means, by_run, numbered, numbers, numbers_of, thinned
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

# More lines than there are colors cannot be told apart.
MAX_ACTIONS = len(COLORS)
MAX_OBSERVATIONS = 8
PANELS_PER_ROW = 4
# The points of more actions hide each other: their binned means are drawn alone.
MAX_SCATTERED = 2


class _Shown(NamedTuple):
    """Which parameters of the action distribution are drawn."""

    kind: str  # probability or mean: the prefix of the columns
    actions: list[str]  # what follows it in the names of the columns: 2, or 0_2
    nouns: list[str]  # what each is called
    left_out: str  # empty where nothing is


@styled
def draw_policy(distribution_curve: Table, visited: Table, task: str) -> Figure:
    """The action distribution over training, and against each observation that varies.

    Of two actions, or two values of a component, only the second one's probability is drawn: the
    first one's mirrors it.

    Args:
        distribution_curve: the columns run, num_episodes and the distribution's mean parameters:
            probability_a of each action a; or probability_i_a of component i taking the value a;
            or mean_i and standard_deviation_i of dimension i.
        visited: the columns observation_i and the distribution's parameters at each visited step.
        task: its name, for the title.

    Raises:
        ValueError: where a column is missing, or runs have different numbers of rows.
    """
    shown = _choose_shown(distribution_curve)
    observations = numbered(visited, "observation")
    varying = [name for name in observations if np.ptp(numbers(visited, name)) > 0]
    num_rows = math.ceil(min(len(varying), MAX_OBSERVATIONS) / PANELS_PER_ROW)

    heights = [3.2] + [0.7 + 2.1 * num_rows] * (num_rows > 0)
    figure = new_figure(sum(heights) + 0.7, f"{task}: what the policy does")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_training(parts[0], distribution_curve, shown)
    if varying:
        _draw_observations(parts[1], visited, varying, shown)
    if len(shown.actions) > 1:
        legend_below(figure, [_legend_line(shown, place) for place in range(len(shown.actions))])
    return figure


def _choose_shown(distribution_curve: Table) -> _Shown:
    if dimensions := numbered(distribution_curve, "mean"):
        drawn = dimensions[:MAX_ACTIONS]
        left_out = f"first {len(drawn)} of {len(dimensions)} dimensions of the action"
        return _shown("mean", "action dimension {}", drawn, dimensions, left_out)
    if actions := numbered(distribution_curve, "probability"):
        candidates = actions[1:] if len(actions) == 2 else actions
        noun, nouns = "action {}", "actions"
    elif values := numbered(distribution_curve, "probability", 2):
        candidates = _without_mirrored(values)
        noun, nouns = "component {} = {}", "values of components"
    else:
        raise ValueError(
            "expected columns probability_0, … or probability_0_0, … or mean_0, "
            f"standard_deviation_0, …, received {', '.join(distribution_curve)}"
        )
    drawn = _most_probable(distribution_curve, candidates)
    left_out = f"{len(drawn)} of {len(candidates)} {nouns}, those most probable in the end"
    return _shown("probability", noun, drawn, candidates, left_out)


def _without_mirrored(columns: list[str]) -> list[str]:
    """Leaves out the first value of each component that has two."""
    kept = []
    for _, of_component in itertools.groupby(columns, key=lambda name: numbers_of(name, 2)[0]):
        values = list(of_component)
        kept += values[1:] if len(values) == 2 else values
    return kept


def _most_probable(distribution_curve: Table, columns: list[str]) -> list[str]:
    """The columns that are largest in the end, median over runs, in the order of `columns`."""
    final = [np.median(by_run(distribution_curve, name)[:, -1]) for name in columns]
    largest = np.argsort(final, stable=True)[::-1][:MAX_ACTIONS]
    return [columns[place] for place in sorted(largest)]


def _shown(kind: str, noun: str, drawn: list[str], candidates: list[str], left_out: str) -> _Shown:
    actions = [name.removeprefix(f"{kind}_") for name in drawn]
    nouns = [noun.format(*action.split("_")) for action in actions]
    return _Shown(kind, actions, nouns, left_out * (len(drawn) < len(candidates)))


def _legend_line(shown: _Shown, place: int) -> Line2D:
    return Line2D([], [], label=shown.nouns[place], **_line(place))


def _line(place: int) -> dict[str, Any]:
    return {"color": COLORS[place], "linestyle": LINE_STYLES[place], **BOLD}


def _caption(part: SubFigure, caption: str, left_out: str) -> None:
    part.suptitle(f"{caption}\n{left_out}".rstrip(), fontsize="medium")


def _axis_label(shown: _Shown, kind: str) -> str:
    if kind == "probability":
        if len(shown.nouns) == 1:
            return f"P({shown.nouns[0]})"
        return "P(component i = a)" if "_" in shown.actions[0] else "P(action)"
    return f"{kind.replace('_', ' ')} of the action"


def _draw_training(part: SubFigure, distribution_curve: Table, shown: _Shown) -> None:
    kinds = ["probability"] if shown.kind == "probability" else ["mean", "standard_deviation"]
    for panel, kind in zip(part.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        _draw_training_panel(panel, distribution_curve, kind, shown)
    num_runs = len(np.unique(distribution_curve["run"]))
    lines = "; every run faint, their median bold" if num_runs > 1 else ", of the run"
    _caption(part, f"Over training: mean over the steps of each batch{lines}", shown.left_out)


def _draw_training_panel(panel: Axes, distribution_curve: Table, kind: str, shown: _Shown) -> None:
    num_episodes = by_run(distribution_curve, "num_episodes")[0]
    kept = thinned(len(num_episodes))
    for place, action in enumerate(shown.actions):
        runs = by_run(distribution_curve, f"{kind}_{action}")[:, kept]
        if len(runs) > 1:
            panel.plot(num_episodes[kept], runs.T, color=COLORS[place], **FAINT)
        panel.plot(num_episodes[kept], np.median(runs, axis=0), **_line(place))
    count_axis(panel, "training episodes of a run")
    panel.set_ylabel(_axis_label(shown, kind))
    _limit(panel, kind, shown)


def _limit(panel: Axes, kind: str, shown: _Shown) -> None:
    if kind == "probability" and len(shown.actions) == 1:
        panel.set_ylim(-0.02, 1.02)
    elif kind != "mean":
        panel.set_ylim(bottom=0)


def _draw_observations(part: SubFigure, visited: Table, varying: list[str], shown: _Shown) -> None:
    drawn = varying[:MAX_OBSERVATIONS]
    num_rows = math.ceil(len(drawn) / PANELS_PER_ROW)
    num_columns = math.ceil(len(drawn) / num_rows)
    panels = part.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, drawn, strict=False):
        _draw_observation(panel, visited, name, shown)
    for panel in panels.flat[len(drawn) :]:
        panel.remove()
    for panel in panels[:, 0]:
        panel.set_ylabel(_axis_label(shown, shown.kind))
    _limit(panels[0, 0], shown.kind, shown)  # of all panels, which share it
    steps = plural(len(visited[drawn[0]]), "step")
    lines = "points and binned means" if len(shown.actions) <= MAX_SCATTERED else "binned means"
    if _has_band(shown):
        lines += " ± standard deviation"
    left_out = f"first {len(drawn)} of {len(varying)} observations that vary"
    _caption(
        part,
        f"After training: at {steps} of the exported policy, sampling; {lines}",
        left_out * (len(varying) > len(drawn)),
    )


def _has_band(shown: _Shown) -> bool:
    return shown.kind == "mean" and len(shown.actions) == 1


def _draw_observation(panel: Axes, visited: Table, name: str, shown: _Shown) -> None:
    x = numbers(visited, name)
    for place, action in enumerate(shown.actions):
        y = numbers(visited, f"{shown.kind}_{action}")
        if len(shown.actions) <= MAX_SCATTERED:
            panel.plot(x, y, ".", markersize=3, markeredgewidth=0, alpha=0.3, color=COLORS[place])
        centers, means = binned_means(x, y)
        panel.plot(centers, means, **_line(place))
        if _has_band(shown):
            deviations = binned_means(x, numbers(visited, f"standard_deviation_{action}"))[1]
            panel.fill_between(
                centers, means - deviations, means + deviations, color=COLORS[place], **BAND
            )
    panel.set_xlabel(f"observation[{name.rpartition('_')[2]}]")
    panel.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
