"""Copies that are stepped one after the other."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from environments.faults import ANYTHING, close_quietly, copy_fault, require_shape
from environments.vector.protocol import StepOutcome, VectorEnvironments, array_types


class SerialEnvironments(VectorEnvironments):
    """Copies that are stepped one after the other; those that wait cost nothing.

    Gymnasium's own SyncVectorEnv steps all its copies, those whose episodes are over too.

    Args:
        copies: Environments with observations that are vectors.
    """

    def __init__(self, copies: Sequence[gymnasium.Env[Any, Any]]) -> None:
        self._copies = copies
        self.num_envs = len(copies)
        self.max_episode_steps = None
        self._shape, self.action_dtype = array_types(
            copies[0].observation_space, copies[0].action_space
        )
        self.observations = np.zeros((self.num_envs, *self._shape), dtype=np.float32)

    def reset(self, seed: int) -> None:
        """See `VectorEnvironments`; copy i gets the seed `seed + i`."""
        for i in range(self.num_envs):
            self._begin(i, seed=seed + i)

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `VectorEnvironments`."""
        for i in copies.tolist():
            self._begin(i)
        return copies[:0]

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """See `VectorEnvironments`."""
        num_copies = len(copies)
        rewards = np.empty(num_copies, dtype=np.float32)
        terminated, truncated = np.empty((2, num_copies), dtype=bool)
        for n, (i, action) in enumerate(zip(copies.tolist(), actions, strict=True)):
            try:
                outcome = self._copies[i].step(action)
                observation, rewards[n], terminated[n], truncated[n], _ = outcome
                self.observations[i] = require_shape("an observation", observation, self._shape, i)
            except ANYTHING as error:
                raise copy_fault(error, i) from error
        return StepOutcome(rewards, terminated, truncated)

    def close(self) -> None:
        """See `VectorEnvironments`."""
        for copy in self._copies:
            close_quietly(copy)

    def _begin(self, i: int, seed: int | None = None) -> None:
        try:
            observation, _ = self._copies[i].reset(seed=seed)
            self.observations[i] = require_shape("an observation", observation, self._shape, i)
        except ANYTHING as error:
            raise copy_fault(error, i) from error
