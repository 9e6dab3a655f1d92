"""Copies that Gymnasium's native vector environments step all at once."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from environments.faults import (
    close_quietly,
    copy_fault,
    raising,
    require_flags,
    require_numbers,
)
from environments.randomness import seed_global_generators
from environments.vector.protocol import StepOutcome, VectorEnvironments, array_types


class VectorizedEnvironments(VectorEnvironments):
    """Copies that can only step all at once, including those that should wait.

    Args:
        environments: A vector environment with next-step autoreset.

    Raises:
        ValueError: If its autoreset mode is a different one.
    """

    def __init__(self, environments: VectorEnv) -> None:
        if environments.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
            raise ValueError(
                "Expected environments with next-step autoreset. Received: autoreset_mode="
                f"{environments.metadata.get('autoreset_mode')}"
            )
        self._environments = environments
        self.max_episode_steps = None
        self.num_envs = environments.num_envs
        self._shape, self.action_dtype = array_types(
            environments.single_observation_space, environments.single_action_space
        )
        self._actions: np.ndarray | None = None

    def reset(self, seed: int) -> None:
        """See `VectorEnvironments`."""
        self._actions = None
        seed_global_generators(seed)
        with self._faults():
            observations, _ = self._environments.reset(seed=seed)
            self._observe(observations)

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `VectorEnvironments`; all these copies begin in the next step."""
        return copies

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """See `VectorEnvironments`."""
        shape = (self.num_envs,)
        with self._faults():
            outcome = self._environments.step(self._all_actions(copies, actions))
            observations, rewards, terminated, truncated, _ = outcome
            self._observe(observations)
            rewards = require_numbers("the rewards", rewards, shape, None)
            return StepOutcome(
                rewards[copies].astype(np.float32, copy=False),
                require_flags("terminated", terminated, shape, None)[copies],
                require_flags("truncated", truncated, shape, None)[copies],
            )

    def close(self) -> None:
        """See `VectorEnvironments`."""
        close_quietly(self._environments)

    def _all_actions(self, copies: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return actions `[E, …]`. Waiting copies step, too, by their last action, a legal one."""
        if self._actions is None:
            self._actions = np.repeat(actions[:1], self.num_envs, axis=0)
        self._actions[copies] = actions
        return self._actions.copy()  # the environment may keep or change the array

    def _observe(self, observations: Any) -> None:
        shape = (self.num_envs, *self._shape)
        self.observations = require_numbers("the observations", observations, shape, None)

    def _faults(self) -> AbstractContextManager[None]:
        return raising(lambda error: copy_fault(error, None))
