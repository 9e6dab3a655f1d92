"""Choose which parameters of an action distribution are drawn, and name them.

Here an *action* is one action of a categorical distribution, one value of one component of a
factorized distribution, or one dimension of a normal distribution.
"""

import itertools
from typing import NamedTuple

import numpy as np

from pipeline.figures.series import numbered, numbers_of, split_runs
from pipeline.figures.style import COLORS
from pipeline.task.artifacts import Table

# More lines than colors cannot be told apart.
MAX_ACTIONS = len(COLORS)
# The distribution's parameters do not include clipping or squashing.
BEFORE_BOUNDS = "Distribution before actions are clipped or squashed to their bounds."


class ShownActions(NamedTuple):
    """The parameters of the action distribution that are drawn."""

    kind: str  # probability or mean: the prefix of the columns
    actions: list[str]  # the rest of the column names: 2, or 0_2
    nouns: list[str]  # their names in texts
    left_out: str  # a sentence on what is not drawn; empty if everything is
    bounded: bool = False  # whether the environment's actions have bounds


def choose_actions(distribution_curve: Table, bounded: bool = False) -> ShownActions:
    """Choose the actions that are drawn: the second of two, or at most `MAX_ACTIONS` of many.

    Args:
        distribution_curve: See `policy.draw_policy`.
        bounded: Whether the environment's actions have bounds. Means are those before bounds apply.

    Raises:
        ValueError: If the table has no columns of a distribution, or if runs have different
            numbers of rows.
    """
    if dimensions := numbered(distribution_curve, "mean"):
        drawn = dimensions[:MAX_ACTIONS]
        left_out = f"Shown: the first {len(drawn)} of {len(dimensions)} action dimensions."
        shown = _shown("mean", "action dimension {}", drawn, dimensions, left_out)
        return shown._replace(bounded=bounded)
    if actions := numbered(distribution_curve, "probability"):
        candidates = actions[1:] if len(actions) == 2 else actions
        noun, nouns = "action {}", "actions"
    elif values := numbered(distribution_curve, "probability", 2):
        candidates = _without_mirrored(values)
        noun, nouns = "component {} = {}", "component values"
    else:
        raise ValueError(
            "expected columns probability_0, … or probability_0_0, … or mean_0, "
            f"standard_deviation_0, …, received {', '.join(distribution_curve)}"
        )
    drawn = _most_probable(distribution_curve, candidates)
    left_out = f"Shown: the {len(drawn)} most probable of {len(candidates)} {nouns} after training."
    return _shown("probability", noun, drawn, candidates, left_out)


def _without_mirrored(columns: list[str]) -> list[str]:
    """Leave out the first value of each component with two values."""
    kept = []
    for _, of_component in itertools.groupby(columns, key=lambda name: numbers_of(name, 2)[0]):
        values = list(of_component)
        kept += values[1:] if len(values) == 2 else values
    return kept


def _most_probable(distribution_curve: Table, columns: list[str]) -> list[str]:
    """Return the columns with the largest final median over runs, in the order of `columns`."""
    final = [
        np.median([run[-1] for run in split_runs(distribution_curve, name)]) for name in columns
    ]
    largest = np.argsort(final, stable=True)[::-1][:MAX_ACTIONS]
    return [columns[i] for i in sorted(largest)]


def _shown(
    kind: str, noun: str, drawn: list[str], candidates: list[str], left_out: str
) -> ShownActions:
    actions = [name.removeprefix(f"{kind}_") for name in drawn]
    nouns = [noun.format(*action.split("_")) for action in actions]
    return ShownActions(kind, actions, nouns, left_out * (len(drawn) < len(candidates)))


def axis_label(shown: ShownActions, kind: str) -> str:
    """Return the axis label of a kind of parameter, which may also be standard_deviation."""
    if kind == "probability":
        if len(shown.nouns) == 1:
            return f"P({shown.nouns[0]})"
        return "P(component i = a)" if "_" in shown.actions[0] else "P(action)"
    return f"{kind.replace('_', ' ')} of the action"
