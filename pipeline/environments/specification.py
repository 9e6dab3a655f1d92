"""What the rest of the program knows of an environment: its name, its spaces, its time limit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from pipeline.errors import UserError

ActionSpace = spaces.Discrete | spaces.Box


class EnvironmentSpecification(NamedTuple):
    """An environment that a policy can be trained on."""

    id: str  # as Gymnasium knows it, `module:Id` included
    kwargs: Mapping[str, Any]
    observation_space: spaces.Box  # of rank 1
    action_space: ActionSpace
    max_episode_steps: int | None  # None: no time limit
    has_vector_entry_point: bool  # can step all its copies at once by itself

    @property
    def observation_size(self) -> int:
        """Number of components of one observation."""
        return int(self.observation_space.shape[0])


def inspect_environment(env_id: str, kwargs: Mapping[str, Any]) -> EnvironmentSpecification:
    """Makes the environment once and reads its spaces.

    Args:
        env_id: A Gymnasium id; `module:Id` imports `module` first.
        kwargs: Keyword arguments of the environment.

    Raises:
        UserError: If the environment is unknown, cannot be made with these keyword arguments, or
            has spaces that no policy here serves. The message says which.
    """
    expected_id = (
        "expected the id of an installed Gymnasium environment (`Id`, or `module:Id` to import "
        f"`module` first), received {env_id!r}"
    )
    if env_id.count(":") > 1:
        raise UserError(expected_id)
    try:
        env = gymnasium.make(env_id, **kwargs)
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"{expected_id}: {error}") from error
    except Exception as error:  # a third party's constructor may raise anything
        raise UserError(
            f"expected keyword arguments with which {env_id} can be made, received "
            f"{dict(kwargs)!r}: {type(error).__name__}: {error}"
        ) from error
    spec, observation_space, action_space = env.spec, env.observation_space, env.action_space
    env.close()
    assert spec is not None  # gymnasium.make sets it
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise UserError(
            f"expected an environment with a Box observation of rank 1, received {env_id} with "
            f"{observation_space}"
        )
    return EnvironmentSpecification(
        id=env_id,
        kwargs=dict(kwargs),
        observation_space=observation_space,
        action_space=_served(env_id, action_space),
        max_episode_steps=spec.max_episode_steps,
        has_vector_entry_point=bool(spec.vector_entry_point) and not spec.additional_wrappers,
    )


def _served(env_id: str, space: gymnasium.Space[Any]) -> ActionSpace:
    """`space`, if a policy here serves it; else raises UserError."""
    if isinstance(space, spaces.Discrete):
        return space
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return space
    raise UserError(
        "expected an environment with a Discrete action or a Box action of floats, received "
        f"{env_id} with {space}"
    )
