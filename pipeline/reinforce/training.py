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
    # Updates that the learner's state knows: some of them may not have been yielded yet.
    num_made: int

    def train_run(
        self,
        first: Episodes,
        seeds: Callable[[int], np.random.SeedSequence],
        num_updates: int,
        after: UpdateRecord | None = None,
    ) -> Iterator[UpdateRecord]:
        """Trains the learner's policy, as it stands, by `num_updates` updates.

        Args:
            first: Episodes that this very policy sampled, for update 0.
            seeds: For update 1, 2, …: the seed of its episodes.
            num_updates: How many.
            after: The update after which to go on, with the learner's state as it was then; `first`
                is not used. Defaults to none: the run begins, with fresh optimizers.

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
        self.num_made = 0

    def train_run(
        self,
        first: Episodes,
        seeds: Callable[[int], np.random.SeedSequence],
        num_updates: int,
        after: UpdateRecord | None = None,
    ) -> Iterator[UpdateRecord]:
        """See `Training`."""
        if after is None:
            self.learner.reset()
        updates = range(after.update + 1 if after else 0, num_updates)
        return recorded(self._updates(first, seeds, updates), len(first.valid), after)

    def _updates(
        self, first: Episodes, seeds: Callable[[int], np.random.SeedSequence], updates: range
    ) -> Iterator[UpdateStatistics]:
        with self.sampler() as sample:
            for update in updates:
                self.last_episodes = sample(seeds(update)) if update else first
                statistics = self.learner.update(self.last_episodes)
                self.num_made = update + 1
                yield statistics
