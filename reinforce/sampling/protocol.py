"""The protocols of sampling: samplers, and the policies that they call."""

from types import TracebackType
from typing import Protocol, Self

import numpy as np

from models.action import Action
from reinforce.episodes import Episodes


class Sampler(Protocol):
    """A source of complete episodes, sampled with the current weights of one policy.

    A sampler is a context manager that creates environments on entry and closes them on exit. It
    can be entered again.
    """

    def __enter__(self) -> Self:
        """Create the environments."""

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the environments."""

    def sample(self, seed: np.random.SeedSequence) -> Episodes:
        """Sample a batch of episodes.

        Args:
            seed: Determines initial states, transitions and actions.

        Returns:
            `[B, T, …]`, NumPy arrays, padded to the longest episode.

        Raises:
            FloatingPointError: If the policy's outputs or log-probabilities are not finite.
            EnvironmentFault: If an environment raises any error, returns invalid or non-finite
                values, or exceeds its own time limit.
        """


class Actor(Protocol):
    """A policy that samples actions in Gymnasium environments. All arrays are NumPy arrays."""

    def begin(self, generator: np.random.Generator) -> None:
        """Begin a batch, with the policy's current weights and the generator of its randomness."""

    def act(self, observations: np.ndarray) -> Action:
        """Sample actions: observations `[N, O]` float32 → `[N, …]`.

        The field `outputs` may contain any array that `log_prob` needs.
        """

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """Compute log-probabilities `[N]` float32 of actions from one or several calls of `act`."""
