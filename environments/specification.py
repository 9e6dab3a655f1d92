"""The specification of an environment: its id, its spaces, its time limit."""

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
FLATTENED = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


gymnasium.register("Bandit-v0", "environments.bandit:Bandit", max_episode_steps=1)


class EnvironmentSpecification(NamedTuple):
    """An environment that a policy can be trained on."""

    id: str  # as Gymnasium knows it, `module:Id` included
    kwargs: Mapping[str, Any]
    observation_space: gymnasium.Space[Any]  # policies see it flattened; without a mask
    action_space: ActionSpace
    max_episode_steps: int  # its own time limit, or the one that was asked for
    has_vector_entry_point: bool  # can step all its copies at once by itself
    action_mask: ActionMask | None = None  # which actions are legal; None: all

    @property
    def observation_size(self) -> int:
        """O, the number of components of one observation, flattened; without a mask."""
        return int(spaces.flatdim(self.observation_space))

    @property
    def has_flat_observations(self) -> bool:
        """True if an observation is a vector without flattening, and no mask goes with it."""
        return (
            self.action_mask is None
            and isinstance(self.observation_space, spaces.Box)
            and len(self.observation_space.shape) == 1
        )

    def with_vectors(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Wrap such an environment so that observations are vectors, each with its mask, if any."""
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
    """Makes the environment once and reads its spaces.

    Args:
        env_id: A Gymnasium id; `module:Id` imports `module` first.
        kwargs: Keyword arguments of the environment.
        max_episode_steps: Time limit in env steps. Defaults to the environment's own.
        action_mask: The name of the mask of legal actions. Defaults to none: all are legal.

    Raises:
        EnvironmentFault: If the environment is unknown, cannot be made with these keyword
            arguments, has spaces that no policy here serves, has no such mask, or has no time
            limit. The message says which.
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
        if isinstance(error, gymnasium.error.Error | ImportError):
            return EnvironmentFault(f"{expected_id}: {error}")
        return EnvironmentFault(
            f"expected keyword arguments with which {env_id} can be made, received "
            f"{dict(kwargs)!r}: {type(error).__name__}: {error}"
        )

    with raising(not_made), chdir("."):  # back, if the environment leaves the working directory
        env = gymnasium.make(env_id, **{**kwargs, **limit})
    with closing_quietly(env):
        spec, observation_space, action_space = env.spec, env.observation_space, env.action_space
        mask = None
        if action_mask is not None:
            mask, observation_space = find_mask(env, action_mask)
    assert spec is not None  # gymnasium.make sets it
    if reason := _not_observed(observation_space):
        raise EnvironmentFault(
            "expected an environment whose observation is a Box, Discrete, MultiDiscrete or "
            f"MultiBinary, or a Dict or Tuple of these, received {env_id}, {reason}; a module of "
            "yours that registers it in a wrapper makes others of them (see docs/environments.md)"
        )
    if spec.max_episode_steps is None or spec.max_episode_steps < 1:
        raise EnvironmentFault(
            "expected max_episode_steps, a number of env steps after which an episode is cut off, "
            f"since {env_id} has no time limit of its own; received none"
        )
    return EnvironmentSpecification(
        id=env_id,
        kwargs=dict(kwargs),
        observation_space=observation_space,
        action_space=_served(env_id, action_space),
        max_episode_steps=spec.max_episode_steps,
        has_vector_entry_point=bool(spec.vector_entry_point) and not spec.additional_wrappers,
        action_mask=mask,
    )


def has_bounds(space: ActionSpace) -> bool:
    """Tell whether actions are numbers that have to be brought within bounds."""
    return isinstance(space, spaces.Box) and bool((space.bounded_below | space.bounded_above).any())


def _not_observed(space: gymnasium.Space[Any], name: str = "") -> str | None:
    """Name the part of this space that no policy can observe; None if one can observe all."""
    part = f"whose part {name} is" if name else "whose observation is"
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space if isinstance(space, spaces.Dict) else dict(enumerate(space.spaces))
        for key, value in parts.items():
            if reason := _not_observed(value, f"{name}.{key}".strip(".")):
                return reason
    elif space.dtype is not None and space.dtype.kind == "U":
        return f"{part} text"
    elif not isinstance(space, FLATTENED) or np.issubdtype(space.dtype, np.complexfloating):
        return f"{part} {space}"
    return None if spaces.flatdim(space) else f"{part} empty: {space}"


def _served(env_id: str, space: gymnasium.Space[Any]) -> ActionSpace:
    """`space`, if a policy here serves it; else raises EnvironmentFault."""
    reason = ""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Box):
        if isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.floating):
            reason = f": a Box of {space.dtype}, whose actions are whole numbers"
        elif not spaces.flatdim(space):
            reason = ", which is empty"
        else:
            return space
    raise EnvironmentFault(
        "expected an environment whose action is Discrete, MultiDiscrete, MultiBinary or a Box of "
        f"floats, received {env_id} with {space}{reason}"
    )
