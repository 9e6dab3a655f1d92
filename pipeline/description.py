"""A policy and its spaces described as JSON, for users without this project."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from environments.masks import ActionMask
from pipeline.task.task import Task

ENCODINGS = {
    "Box": "its numbers, row by row",
    "Discrete": "one-hot: 1 at the value less start, else 0",
    "MultiDiscrete": "each component in turn, row by row, one-hot: 1 at its value less its start",
    "MultiBinary": "its bits, row by row",
}


def describe_policy(task: Task, run: int) -> dict[str, Any]:
    """Describe the SavedModel of a run as JSON for spec.json; infinities are "inf" and "-inf"."""
    specification = task.specification
    mask = specification.action_mask
    inputs = "observation, action_mask" if mask else "observation"
    return _jsonable(
        {
            "environment": {
                "id": specification.id,
                "kwargs": specification.kwargs,
                "max_episode_steps": specification.max_episode_steps,
                **({"action_mask": mask.name} if mask else {}),
            },
            "observation_space": describe_space(specification.observation_space),
            "observation": {
                "shape": [specification.observation_size],
                "dtype": "float32",
                "from": "gymnasium.spaces.flatten(observation_space, observation)",
                "parts": describe_flattening(specification.observation_space),
            },
            **({"action_mask": describe_mask(mask)} if mask else {}),
            "action_space": describe_space(specification.action_space),
            "task": task.name,
            "run": run,
            "parameters": {"seed": task.seed} | task.params.model_dump(),
            "signatures": {
                "serving_default": f"{inputs} -> action, the most probable one (of a squashed "
                "Normal: the median)",
                "sample": f"{inputs}, seed [2] -> action for the environment, raw_action as "
                "sampled, before it is clipped or squashed, log_prob",
                "distribution": f"{inputs} -> parameters of the action distribution (of a "
                "squashed Normal: before it is squashed)",
                "log_prob": f"{inputs}, action (a raw_action) -> log_prob",
            },
        }
    )


def describe_space(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """Describe a space by its type and its defining attributes."""
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
    """Describe, part by part, how an observation is flattened to the input vector of a policy.

    Args:
        space: Box, Discrete, MultiDiscrete, MultiBinary, or Dict or Tuple of these.

    Returns:
        For each part of the observation, in order: `path`, the keys and indices that lead to it;
        `components`, the half-open range [start, end) of its components in the vector; and
        `encoding`, their meaning.
    """
    parts: list[dict[str, Any]] = []
    end = 0
    for path, part in _leaves(space):
        start, end = end, end + int(spaces.flatdim(part))
        encoding = ENCODINGS[_kind(part)]
        parts.append({"path": path, "components": [start, end], "encoding": encoding})
    return parts


def describe_mask(mask: ActionMask) -> dict[str, Any]:
    """Describe the mask of legal actions that a policy takes along with the observation."""
    return {
        "shape": [mask.size],
        "dtype": "bool",
        "name": mask.name,
        "in": "info" if mask.in_info else "observation",
        "entries": "true where an action is legal: one for each action, from start on, or for each "
        "value of each component in turn",
    }


def _kind(space: gymnasium.Space[Any]) -> str:
    """Return the name of the Gymnasium class that the space is an instance of."""
    kinds = (*ENCODINGS, "Dict", "Tuple")
    return next(kind for kind in kinds if isinstance(space, getattr(spaces, kind)))


def _described(parts: dict[str, gymnasium.Space[Any]]) -> dict[str, Any]:
    return {key: describe_space(part) for key, part in parts.items()}


def _leaves(space: gymnasium.Space[Any]) -> list[tuple[list[str | int], gymnasium.Space[Any]]]:
    """Return the parts of a nested space with their paths, in Gymnasium's order."""
    parts: dict[Any, gymnasium.Space[Any]]
    match space:
        case spaces.Dict():
            parts = dict(space.spaces)
        case spaces.Tuple():
            parts = dict(enumerate(space.spaces))
        case _:
            return [([], space)]
    return [([key, *path], leaf) for key, part in parts.items() for path, leaf in _leaves(part)]


def _jsonable(value: Any) -> Any:
    """Convert to JSON types: tuples to lists, and numbers that are not finite to text."""
    if isinstance(value, Mapping):
        return {key: _jsonable(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(element) for element in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
