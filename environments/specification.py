"""Environment specifications: id, spaces, time limit."""

from collections.abc import Mapping
from contextlib import chdir
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation

from environments.faults import EnvironmentFault, closing_quietly, raising
from environments.flattening import flatten
from environments.masks import ActionMask, MaskedObservations, find_mask

ActionSpace = spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Box
SUPPORTED = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


gymnasium.register("Bandit-v0", "environments.bandit:Bandit", max_episode_steps=1)


class EnvironmentSpecification(NamedTuple):
    """An environment that a policy can be trained on."""

    id: str  # a Gymnasium id, `Id` or `module:Id`
    kwargs: Mapping[str, Any]
    observation_space: gymnasium.Space[Any]  # before flattening, without a mask
    action_space: ActionSpace
    max_episode_steps: int  # the task's time limit, or else the environment's own
    has_vector_entry_point: bool  # it can step all its copies at once
    action_mask: ActionMask | None = None  # None: all actions are legal

    @property
    def observation_size(self) -> int:
        """The number of components of a flattened observation, without a mask, O."""
        return int(spaces.flatdim(self.observation_space))

    @property
    def has_flat_observations(self) -> bool:
        """True if observations already are vectors, and there is no mask."""
        return (
            self.action_mask is None
            and isinstance(self.observation_space, spaces.Box)
            and len(self.observation_space.shape) == 1
        )

    def with_vectors(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Wrap `env` so that observations are vectors, followed by the mask if there is one."""
        if self.action_mask is not None:
            return MaskedObservations(env, self.observation_space, self.action_mask)
        if self.has_flat_observations:
            return env
        space = self.observation_space
        return TransformObservation(env, partial(flatten, space), spaces.flatten_space(space))


def inspect_environment(
    env_id: str,
    kwargs: Mapping[str, Any],
    max_episode_steps: int | None = None,
    action_mask: str | None = None,
) -> EnvironmentSpecification:
    """Make an environment once to read its spaces and time limit.

    Args:
        env_id: A Gymnasium id; `module:Id` imports `module` first.
        kwargs: Keyword arguments of the environment.
        max_episode_steps: Time limit in env steps. Defaults to the environment's own.
        action_mask: The name of the mask of legal actions. Defaults to none: all actions are legal.

    Raises:
        EnvironmentFault: If the environment is unknown, cannot be made with these keyword
            arguments, has unsupported spaces, has no such mask, or has no time limit.
    """
    expected_id = (
        "expected the id of an installed Gymnasium environment (`Id`, or `module:Id` to import "
        f"`module` first), received {env_id!r}"
    )
    parts = env_id.split(":")
    if len(parts) > 2 or not all(parts) or parts[0].startswith("."):
        raise EnvironmentFault(expected_id)
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}

    def not_made(error: BaseException) -> EnvironmentFault:
        if isinstance(error, gymnasium.error.DependencyNotInstalled):
            needed = f"the packages that {env_id} needs (`make extras` installs Box2D)"
            return EnvironmentFault(f"expected {needed}, received: {error}")
        if isinstance(error, gymnasium.error.Error | ImportError):
            return EnvironmentFault(f"{expected_id}: {error}")
        return EnvironmentFault(
            f"expected keyword arguments that {env_id} accepts, received {dict(kwargs)!r}: "
            f"{type(error).__name__}: {error}"
        )

    with raising(not_made), chdir("."):  # undo any change of the working directory
        env = gymnasium.make(env_id, **{**kwargs, **limit})
    with closing_quietly(env):
        spec, observation_space, action_space = env.spec, env.observation_space, env.action_space
        mask = None
        if action_mask is not None:
            mask, observation_space = find_mask(env, action_mask)
    assert spec is not None  # gymnasium.make sets it
    if reason := _unsupported_part(observation_space):
        raise EnvironmentFault(
            "expected an environment whose observation is a Box, Discrete, MultiDiscrete or "
            f"MultiBinary, or a Dict or Tuple of these, received {env_id}, {reason}; to convert or "
            "leave out a part, register the environment in a wrapper (see docs/environments.md)"
        )
    if spec.max_episode_steps is None or spec.max_episode_steps < 1:
        raise EnvironmentFault(
            "expected max_episode_steps, a number of env steps after which an episode is "
            f"truncated, since {env_id} has no time limit of its own; received none"
        )
    return EnvironmentSpecification(
        id=env_id,
        kwargs=dict(kwargs),
        observation_space=observation_space,
        action_space=_require_supported(env_id, action_space),
        max_episode_steps=spec.max_episode_steps,
        has_vector_entry_point=bool(spec.vector_entry_point) and not spec.additional_wrappers,
        action_mask=mask,
    )


def has_bounds(space: ActionSpace) -> bool:
    """Return True if actions are continuous and bounded in at least one direction."""
    return isinstance(space, spaces.Box) and bool((space.bounded_below | space.bounded_above).any())


def _unsupported_part(space: gymnasium.Space[Any], name: str = "") -> str | None:
    """Describe the first part of a space that policies do not support; None if there is none."""
    part = f"whose part {name} is" if name else "whose observation is"
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space if isinstance(space, spaces.Dict) else dict(enumerate(space.spaces))
        for key, value in parts.items():
            if reason := _unsupported_part(value, f"{name}.{key}".strip(".")):
                return reason
    elif space.dtype is not None and space.dtype.kind == "U":
        return f"{part} text"
    elif not isinstance(space, SUPPORTED) or np.issubdtype(space.dtype, np.complexfloating):
        return f"{part} {space}"
    return None if spaces.flatdim(space) else f"{part} empty: {space}"


def _require_supported(env_id: str, space: gymnasium.Space[Any]) -> ActionSpace:
    """Return `space`, or raise EnvironmentFault if policies do not support it."""
    reason = ""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Box):
        if isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.floating):
            reason = f": a Box of {space.dtype}, whose actions are integers"
        elif not spaces.flatdim(space):
            reason = ", which is empty"
        else:
            return space
    raise EnvironmentFault(
        "expected an environment whose action is Discrete, MultiDiscrete, MultiBinary or a Box of "
        f"floats, received {env_id} with {space}{reason}"
    )
