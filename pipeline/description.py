"""Spaces in words that JSON can hold, for those who use a policy without this project."""

from typing import Any

import gymnasium
from gymnasium import spaces

from environments.masks import ActionMask

ENCODINGS = {
    "Box": "its numbers, row by row",
    "Discrete": "one-hot: 1 at the value less start, else 0",
    "MultiDiscrete": "each component in turn, row by row, one-hot: 1 at its value less its start",
    "MultiBinary": "its bits, row by row",
}


def describe_space(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """A space's type and what defines it."""
    description: dict[str, Any] = {"type": _kind(space)}
    match space:
        case spaces.Dict():
            return description | {"spaces": _described(space.spaces)}
        case spaces.Tuple():
            return description | {"spaces": [describe_space(part) for part in space.spaces]}
        case spaces.Discrete():
            return description | {"n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            return description | {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        case spaces.MultiBinary():
            return description | {"shape": space.shape}
    assert isinstance(space, spaces.Box)
    return description | {
        "dtype": str(space.dtype),
        "shape": space.shape,
        "low": space.low.astype(float).tolist(),
        "high": space.high.astype(float).tolist(),
    }


def describe_flattening(space: gymnasium.Space[Any]) -> list[dict[str, Any]]:
    """Describe how an observation becomes the vector that a policy takes, part by part.

    Args:
        space: Box, Discrete, MultiDiscrete, MultiBinary, or Dict or Tuple of these.

    Returns:
        For each part of the observation, in order: `path`, the keys and indices that lead to it;
        `components`, the first of its components in the vector and the first one behind them;
        `encoding`, what they are.
    """
    parts: list[dict[str, Any]] = []
    end = 0
    for path, part in _leaves(space):
        start, end = end, end + int(spaces.flatdim(part))
        encoding = ENCODINGS[_kind(part)]
        parts.append({"path": path, "components": [start, end], "encoding": encoding})
    return parts


def describe_mask(mask: ActionMask) -> dict[str, Any]:
    """Describe the mask of legal actions that a policy takes beside the observation."""
    return {
        "shape": [mask.size],
        "dtype": "bool",
        "name": mask.name,
        "in": "info" if mask.in_info else "observation",
        "entries": "true where an action is legal: one for each action, from start on, or for each "
        "value of each component in turn",
    }


def _kind(space: gymnasium.Space[Any]) -> str:
    """The name of Gymnasium's space that this one is, a subclass of it or not."""
    kinds = (*ENCODINGS, "Dict", "Tuple")
    return next(kind for kind in kinds if isinstance(space, getattr(spaces, kind)))


def _described(parts: dict[str, gymnasium.Space[Any]]) -> dict[str, Any]:
    return {key: describe_space(part) for key, part in parts.items()}


def _leaves(space: gymnasium.Space[Any]) -> list[tuple[list[str | int], gymnasium.Space[Any]]]:
    """The parts that hold no others, with their paths, in Gymnasium's order."""
    parts: dict[Any, gymnasium.Space[Any]]
    match space:
        case spaces.Dict():
            parts = dict(space.spaces)
        case spaces.Tuple():
            parts = dict(enumerate(space.spaces))
        case _:
            return [([], space)]
    return [([key, *path], leaf) for key, part in parts.items() for path, leaf in _leaves(part)]
