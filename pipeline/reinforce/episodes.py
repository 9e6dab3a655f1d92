"""The data that flows from rollout to gradient: a batch of complete episodes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Episodes(NamedTuple):
    """B complete episodes, one a row, padded to the T steps of the longest or to the time limit.

    Nothing of one episode can enter another's row. Statistics count `valid` steps only; what stands
    on padding is for no one to read.
    """

    observations: Any  # [B, T, O] float32, what the policy saw before it acted
    actions: Any  # [B, T, *action_shape], as they were sampled, before any clipping
    log_probs: Any  # [B, T] float32, of `actions` under the policy that sampled them
    rewards: Any  # [B, T] float32
    terminated: Any  # [B, T] bool, the step after which the environment reached a terminal state
    truncated: Any  # [B, T] bool, the step after which a time limit cut the episode
    valid: Any  # [B, T] bool, False for padding

    @property
    def num_steps(self) -> np.ndarray:
        """Number of steps of each episode, `[B]`."""
        return np.sum(self.valid, axis=-1)

    @property
    def episode_returns(self) -> np.ndarray:
        """Undiscounted sum of each episode's rewards, `[B]`, in float64."""
        return np.asarray(np.sum(self.rewards, axis=-1, dtype=np.float64, where=self.valid))

    def take(self, num_episodes: int) -> "Episodes":
        """The first `num_episodes` of the episodes, without padding that none of them needs."""
        num_steps = int(self.num_steps[:num_episodes].max())
        return Episodes(*(values[:num_episodes, :num_steps] for values in self))


def stack_runs(runs: Sequence[Episodes]) -> Episodes:
    """R batches of B episodes as one: every field `[R, B, T, …]`, padded to the longest of all."""
    num_steps = max(episodes.valid.shape[1] for episodes in runs)

    def pad(values: np.ndarray) -> np.ndarray:
        missing = num_steps - values.shape[1]
        return np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))

    return Episodes(*(np.stack([pad(v) for v in field]) for field in zip(*runs, strict=True)))
