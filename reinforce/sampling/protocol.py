"""The protocols of sampling: what samples a batch of episodes, and the policy that it asks."""

from types import TracebackType
from typing import Protocol, Self

import numpy as np

from models.action import Action
from reinforce.episodes import Episodes


class Sampler(Protocol):
    """Sample batches of complete episodes with one policy, as it is when `sample` is called.

    A context: it makes environments when it is entered and closes them when it is left. It may be
    entered again.
    """

    def __enter__(self) -> Self:
        """Make the environments."""

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the environments."""

    def sample(self, seed: np.random.SeedSequence) -> Episodes:
        """Sample a batch of episodes.

        Args:
            seed: Determines initial states, transitions and actions.

        Returns:
            `[B, T, …]`, NumPy arrays, padded to the longest.

        Raises:
            FloatingPointError: If the policy's outputs or log-probabilities are not finite.
            EnvironmentFault: If an environment raises anything, returns what it should not or what
                is not finite, or goes beyond its own time limit.
        """


class Actor(Protocol):
    """A policy, as sampling in Gymnasium's environments asks it: all are NumPy arrays."""

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """Choose actions: observations `[N, O]` float32, stateless seed `[2]` int32 → `[N, …]`.

        Its `outputs` may be whatever `log_prob` needs.
        """

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """Compute log-probabilities `[N]` float32 of what `act` answered, in one call or many."""
