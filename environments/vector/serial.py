"""Copies that are stepped one after the other."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from environments.faults import (
    close_quietly,
    copy_fault,
    raising,
    require_flags,
    require_numbers,
)
from environments.randomness import seed_global_generators
from environments.vector.protocol import StepOutcome, VectorEnvironments, array_types


class SerialEnvironments(VectorEnvironments):
    """Copies that are stepped one after the other; waiting copies cost nothing.

    In contrast, Gymnasium's SyncVectorEnv steps all copies, even if their episodes are over.

    Args:
        copies: Environments whose observations are vectors.
    """

    def __init__(self, copies: Sequence[gymnasium.Env[Any, Any]]) -> None:
        self._copies = copies
        self.num_envs = len(copies)
        self.max_episode_steps = None
        self._shape, self.action_dtype = array_types(
            copies[0].observation_space, copies[0].action_space
        )
        self.observations = np.zeros((self.num_envs, *self._shape))  # float64, to keep all digits

    def reset(self, seed: int) -> None:
        """See `VectorEnvironments`; copy i gets the seed `seed + i`."""
        seed_global_generators(seed)
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
        i = 0
        with raising(lambda error: copy_fault(error, i)):
            for n, (i, action) in enumerate(zip(copies.tolist(), actions, strict=True)):
                observation, reward, ends, cuts, _ = self._copies[i].step(action)
                rewards[n] = require_numbers("the reward", reward, (), i)
                terminated[n] = require_flags("terminated", ends, (), i)
                truncated[n] = require_flags("truncated", cuts, (), i)
                self._observe(i, observation)
        return StepOutcome(rewards, terminated, truncated)

    def close(self) -> None:
        """See `VectorEnvironments`."""
        for copy in self._copies:
            close_quietly(copy)

    def _begin(self, i: int, seed: int | None = None) -> None:
        with raising(lambda error: copy_fault(error, i)):
            observation, _ = self._copies[i].reset(seed=seed)
            self._observe(i, observation)

    def _observe(self, i: int, observation: Any) -> None:
        self.observations[i] = require_numbers("the observation", observation, self._shape, i)
