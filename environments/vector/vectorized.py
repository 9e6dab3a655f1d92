"""Copies that step all at once, as Gymnasium's native vector environments do."""

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
    """Copies that can only step all at once, those that could wait with the others.

    Args:
        environments: They reset themselves by next-step autoreset.

    Raises:
        ValueError: If they reset themselves in another way.
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
        """See `VectorEnvironments`; all of them begin in the next step."""
        return copies

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """See `VectorEnvironments`."""
        each = (self.num_envs,)
        with self._faults():
            of_all = self._environments.step(self._actions_of_all(copies, actions))
            observations, rewards, terminated, truncated, _ = of_all
            self._observe(observations)
            rewards = require_numbers("the rewards", rewards, each, None)
            return StepOutcome(
                rewards[copies].astype(np.float32, copy=False),
                require_flags("terminated", terminated, each, None)[copies],
                require_flags("truncated", truncated, each, None)[copies],
            )

    def close(self) -> None:
        """See `VectorEnvironments`."""
        close_quietly(self._environments)

    def _actions_of_all(self, copies: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """`[E, …]`: those that wait step, too, and want legal actions. They get their last."""
        if self._actions is None:
            self._actions = np.repeat(actions[:1], self.num_envs, axis=0)
        self._actions[copies] = actions
        return self._actions.copy()  # which the environment may keep or change

    def _observe(self, observations: Any) -> None:
        shape = (self.num_envs, *self._shape)
        self.observations = require_numbers("the observations", observations, shape, None)

    def _faults(self) -> AbstractContextManager[None]:
        return raising(lambda error: copy_fault(error, None))
