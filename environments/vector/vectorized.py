"""Copies that step all at once, as Gymnasium's native vector environments do."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from environments.faults import ANYTHING, close_quietly, copy_fault, require_shape
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
        try:
            observations, _ = self._environments.reset(seed=seed)
            self.observations = self._of_all("observations", observations, self._shape)
        except ANYTHING as error:
            raise copy_fault(error, None) from error

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `VectorEnvironments`; all of them begin in the next step."""
        return copies

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """See `VectorEnvironments`."""
        try:
            of_all = self._environments.step(self._actions_of_all(copies, actions))
            observations, rewards, terminated, truncated, _ = of_all
            self.observations = self._of_all("observations", observations, self._shape)
            return StepOutcome(
                self._of_all("rewards", rewards)[copies].astype(np.float32, copy=False),
                self._of_all("terminated", terminated)[copies].astype(bool, copy=False),
                self._of_all("truncated", truncated)[copies].astype(bool, copy=False),
            )
        except ANYTHING as error:
            raise copy_fault(error, None) from error

    def close(self) -> None:
        """See `VectorEnvironments`."""
        close_quietly(self._environments)

    def _actions_of_all(self, copies: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """`[E, …]`: those that wait step, too, and want legal actions. They get their last."""
        if self._actions is None:
            self._actions = np.repeat(actions[:1], self.num_envs, axis=0)
        self._actions[copies] = actions
        return self._actions.copy()  # which the environment may keep or change

    def _of_all(self, name: str, values: Any, shape: tuple[int, ...] = ()) -> np.ndarray:
        return require_shape(name, values, (self.num_envs, *shape), None)
