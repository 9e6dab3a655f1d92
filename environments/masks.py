"""Masks of legal actions from Gymnasium environments.

In shapes, A is the number of entries of a mask. A Discrete space has one entry per action. A
MultiDiscrete space has one entry per value of each component, component after component.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from environments.faults import CopyFault, EnvironmentFault, raising, require_flags
from environments.flattening import flatten


class ActionMask(NamedTuple):
    """The location and layout of an environment's mask of legal actions."""

    name: str
    in_info: bool  # a key of info if True, else a part of the observation
    sizes: tuple[int, ...]  # entries for each component of an action

    @property
    def size(self) -> int:
        """A, the number of entries."""
        return sum(self.sizes)

    def read(self, observation: Any, info: Any) -> np.ndarray:
        """Return the mask, `[A]` bool, from the results of a reset or a step.

        Raises:
            EnvironmentFault: If there is no mask, it has another shape or type, or it allows no
                action.
        """
        given, where = (info, "info") if self.in_info else (observation, "the observation")
        if not isinstance(given, Mapping) or self.name not in given:
            raise EnvironmentFault(f"expected the action mask {self.name!r} in {where}, found none")
        try:
            name = f"the action mask {self.name!r}"
            mask = require_flags(name, given[self.name], (self.size,), None)
        except CopyFault as fault:
            raise EnvironmentFault(str(fault)) from fault
        if not all(legal.any() for legal in _split_components(mask, self.sizes)):
            component = " in each component" if len(self.sizes) > 1 else ""
            raise EnvironmentFault(
                f"expected a legal action{component} in the action mask {self.name!r}, received "
                f"{mask.astype(int).tolist()}"
            )
        return mask

    def sample(self, space: Any, mask: np.ndarray) -> Any:
        """Draw an action that a mask `[A]` allows, with the generator of `space`."""
        legal = map(np.flatnonzero, _split_components(mask, self.sizes))
        values = [space.np_random.choice(component) for component in legal]
        return (space.start + np.reshape(values, space.shape)).astype(space.dtype)


def require_legal(masks: np.ndarray, sizes: Sequence[int], valid: np.ndarray) -> None:
    """Require a legal action in each mask.

    Args:
        masks: `[B, T, A]`, nonzero where an action is legal.
        sizes: The number of entries for each component of an action; empty if there are no masks.
        valid: `[B, T]` bool; other masks are not checked.

    Raises:
        EnvironmentFault: If a mask has no legal action. The message names episode and step.
    """
    for legal in _split_components(masks, sizes):
        missing = valid & ~legal.any(axis=-1)
        if missing.any():
            episode, step = np.argwhere(missing)[0]
            raise EnvironmentFault(
                f"episode {episode}, step {step}: expected a legal action in the action mask, "
                f"received {masks[episode, step].astype(int).tolist()}"
            )


def _split_components(masks: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Split masks `[…, A]` into one for each component of an action."""
    return np.split(masks, np.cumsum(sizes)[:-1], axis=-1) if sizes else []


class MaskedObservations(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A wrapper whose observations are the flattened features, then 1 for each legal action.

    A state in which an episode ends needs no mask.

    Args:
        env: The environment.
        features: The space of the observation without the mask, of size O.
        mask: The location of the mask.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], features: spaces.Space[Any], mask: ActionMask
    ) -> None:
        super().__init__(env)
        self._features, self._mask = features, mask
        size = int(spaces.flatdim(features)) + mask.size
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; the observation is `[O + A]`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._legal = self._mask.read(observation, info)
        return self._joined(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, Any, Any, Any, dict[str, Any]]:
        """Take a step; the observation is `[O + A]`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        try:
            self._legal = self._mask.read(observation, info)
        except EnvironmentFault:
            if not (np.any(terminated) or np.any(truncated)):
                raise
            self._legal = np.zeros(self._mask.size, bool)
        return self._joined(observation), reward, terminated, truncated, info

    def sample_legal_action(self) -> Any:
        """Draw a legal action with the generator of the action space."""
        return self._mask.sample(self.action_space, self._legal)

    def _joined(self, observation: Any) -> np.ndarray:
        return np.concatenate([flatten(self._features, observation), self._legal])


def find_mask(env: gymnasium.Env[Any, Any], name: str) -> tuple[ActionMask, spaces.Space[Any]]:
    """Find the mask of legal actions in an environment.

    Args:
        env: The environment, which is reset.
        name: A part of the observation, or a key of info.

    Returns:
        The location of the mask, and the space of the observation without it.

    Raises:
        EnvironmentFault: If there is no such mask, or it does not fit the environment's actions.
    """
    space, observed = env.action_space, env.observation_space
    if isinstance(space, spaces.Discrete):
        sizes = (int(space.n),)
    elif isinstance(space, spaces.MultiDiscrete):
        sizes = tuple(space.nvec.ravel().tolist())
    else:
        raise EnvironmentFault(
            "expected no action_mask, since only Discrete and MultiDiscrete actions can be masked, "
            f"and these are {space}; received {name!r}"
        )
    parts = list(observed.items()) if isinstance(observed, spaces.Dict) else []
    with raising(lambda e: EnvironmentFault(f"reset: {type(e).__name__}: {e}")):
        observation, info = env.reset(seed=0)
    mask = ActionMask(name, name not in dict(parts), sizes)
    if mask.in_info and name not in info:
        raise EnvironmentFault(
            "expected action_mask to name a part of the observation or a key of info, received "
            f"{name!r}; the observation is {observed}, and the keys of info after a reset are "
            f"{', '.join(map(repr, info)) or 'none'}"
        )
    mask.read(observation, info)
    if mask.in_info:
        return mask, observed
    return mask, spaces.Dict([(key, part) for key, part in parts if key != name])
