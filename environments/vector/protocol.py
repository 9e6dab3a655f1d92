"""The protocol of environment copies, of which any subset can take a step."""

from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np


class StepOutcome(NamedTuple):
    """The outcome of one env step in N copies."""

    rewards: np.ndarray  # [N] float32
    terminated: np.ndarray  # [N] bool
    truncated: np.ndarray  # [N] bool


class VectorEnvironments(Protocol):
    """E environment copies, of which any subset can take a step while the rest wait."""

    num_envs: int  # E
    action_dtype: np.dtype
    max_episode_steps: int | None  # time limit that the environments enforce; None if unknown
    observations: np.ndarray  # [E, O], valid until the next call

    def reset(self, seed: int) -> None:
        """Begin an episode in every copy.

        Raises:
            CopyFault: If a copy raises an error, or returns something invalid.
        """

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """Begin another episode in copies `[K]`, whose episodes have ended.

        Returns:
            The copies among them whose episodes begin only in the next call of `step`, even if it
            steps other copies.

        Raises:
            CopyFault: As in `reset`.
        """

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """Take a step in copies `[N]`, all within an episode, by actions `[N, …]`.

        The copies may keep or change the array of actions.

        Raises:
            CopyFault: As in `reset`.
        """

    def close(self) -> None:
        """Release the environments' resources."""


def array_types(
    observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any]
) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape of one observation and the dtype of actions, for supported spaces."""
    assert observation_space.shape is not None
    assert action_space.dtype is not None
    return observation_space.shape, action_space.dtype
