"""The protocol of environment copies, some of which take a step while the others wait."""

from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np


class StepOutcome(NamedTuple):
    """The outcome of one step of N copies."""

    rewards: np.ndarray  # [N] float32
    terminated: np.ndarray  # [N] bool
    truncated: np.ndarray  # [N] bool


class VectorEnvironments(Protocol):
    """E copies of an environment, of which some take a step while the others wait."""

    num_envs: int  # E
    action_dtype: np.dtype
    max_episode_steps: int | None  # that an episode may have, by the environments' own account
    observations: np.ndarray  # [E, O], what each shows; good until the next call

    def reset(self, seed: int) -> None:
        """Begins an episode in each.

        Raises:
            CopyFault: If one of them raises anything, or returns what it should not.
        """

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """Begins another episode in copies `[K]` whose episodes have ended.

        Returns:
            Those of them that only do so in the next step, whichever copies take it.

        Raises:
            CopyFault: As `reset` does.
        """

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """One step of copies `[N]` within their episodes, by actions `[N, …]`, given away.

        Raises:
            CopyFault: As `reset` does.
        """

    def close(self) -> None:
        """Frees what they hold."""


def array_types(
    observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any]
) -> tuple[tuple[int, ...], np.dtype]:
    """The shape of one observation and the type of actions, in spaces that policies serve."""
    assert observation_space.shape is not None
    assert action_space.dtype is not None
    return observation_space.shape, action_space.dtype
