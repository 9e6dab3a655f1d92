"""The parameters of an action distribution that are drawn, and their names.

An *action* stands for one of the actions of a categorical distribution, for one value of one
component of a factorised one, or for one dimension of a normal one.
"""

import itertools
from typing import NamedTuple

import numpy as np

from pipeline.figures.series import by_run, numbered, numbers_of
from pipeline.figures.style import COLORS
from pipeline.task.artifacts import Table

# More lines than there are colors cannot be told apart.
MAX_ACTIONS = len(COLORS)
# What clipping or squashing does is not in a distribution's parameters.
BEFORE_BOUNDS = "actions as they are drawn, before they are brought within bounds"


class ShownActions(NamedTuple):
    """The parameters of the action distribution that are drawn."""

    kind: str  # probability or mean: the prefix of the columns
    actions: list[str]  # what follows it in the names of the columns: 2, or 0_2
    nouns: list[str]  # what each is called
    left_out: str  # empty where nothing is
    bounded: bool = False  # whether the environment takes actions within bounds only


def choose_actions(distribution_curve: Table, bounded: bool = False) -> ShownActions:
    """The actions that are drawn: of two the second one, of many as many as can be told apart.

    Args:
        distribution_curve: See `policy.draw_policy`.
        bounded: Whether means are those of actions that are yet to be brought within bounds.

    Raises:
        ValueError: where the table has no columns of a distribution, or runs have different
            numbers of rows.
    """
    if dimensions := numbered(distribution_curve, "mean"):
        drawn = dimensions[:MAX_ACTIONS]
        left_out = f"first {len(drawn)} of {len(dimensions)} dimensions of the action"
        shown = _shown("mean", "action dimension {}", drawn, dimensions, left_out)
        return shown._replace(bounded=bounded)
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


def _shown(
    kind: str, noun: str, drawn: list[str], candidates: list[str], left_out: str
) -> ShownActions:
    actions = [name.removeprefix(f"{kind}_") for name in drawn]
    nouns = [noun.format(*action.split("_")) for action in actions]
    return ShownActions(kind, actions, nouns, left_out * (len(drawn) < len(candidates)))


def axis_label(shown: ShownActions, kind: str) -> str:
    """Name an axis of such parameters; `kind` may also be standard_deviation."""
    if kind == "probability":
        if len(shown.nouns) == 1:
            return f"P({shown.nouns[0]})"
        return "P(component i = a)" if "_" in shown.actions[0] else "P(action)"
    return f"{kind.replace('_', ' ')} of the action"
