"""One run of REINFORCE: sample, update, repeat."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner, UpdateStatistics
from pipeline.reinforce.records import UpdateRecord, recorded

Sampler = AbstractContextManager[Callable[[np.random.SeedSequence], Episodes]]


class Training(Protocol):
    """Trains the policy of a learner, one run after the other."""

    last_episodes: Episodes | None  # of the last update so far

    def train_run(
        self, first: Episodes, seeds: Callable[[int], np.random.SeedSequence], num_updates: int
    ) -> Iterator[UpdateRecord]:
        """Trains the learner's policy, as it stands, by `num_updates` updates.

        Args:
            first: Episodes that this very policy sampled, for update 0.
            seeds: For update 1, 2, …: the seed of its episodes.
            num_updates: How many.

        Yields:
            A record of each update, when it has been made.

        Raises:
            FloatingPointError: If the loss, the gradient or the policy's outputs are not finite.
        """


class SampledTraining:
    """Training on episodes that are sampled in one place and learnt from in another.

    Args:
        learner: Updates the policy.
        sampler: Opened for each run; samples the episodes of an update with the policy as it is
            then.
    """

    def __init__(self, learner: Learner, sampler: Callable[[], Sampler]) -> None:
        self.learner = learner
        self.sampler = sampler
        self.last_episodes: Episodes | None = None

    def train_run(
        self, first: Episodes, seeds: Callable[[int], np.random.SeedSequence], num_updates: int
    ) -> Iterator[UpdateRecord]:
        """See `Training`."""
        self.learner.reset()
        return recorded(self._updates(first, seeds, num_updates), num_episodes=len(first.valid))

    def _updates(
        self, first: Episodes, seeds: Callable[[int], np.random.SeedSequence], num_updates: int
    ) -> Iterator[UpdateStatistics]:
        with self.sampler() as sample:
            for update in range(num_updates):
                self.last_episodes = sample(seeds(update)) if update else first
                yield self.learner.update(self.last_episodes)
