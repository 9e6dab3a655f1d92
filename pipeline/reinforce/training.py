"""One run of REINFORCE: sample, update, repeat."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner, UpdateStatistics


class UpdateRecord(NamedTuple):
    """One update, as the learning curve shows it: the policy before it, and its episodes."""

    update: int  # number of the update, from 0
    num_episodes: int  # sampled so far, this update's included
    num_env_steps: int  # the same
    mean_return: float  # mean episode return, undiscounted
    objective: float  # mean discounted return
    loss: float
    entropy: float  # of the action distribution, mean over steps, in nats
    gradient_norm: float  # before clipping
    value_loss: float  # mean squared error of the baseline `value` before it is fitted; else 0
    distribution: np.ndarray  # [N]: the action distribution's parameters, mean over steps


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
        sample: Samples the episodes of an update with the policy as it is then.
    """

    def __init__(
        self, learner: Learner, sample: Callable[[np.random.SeedSequence], Episodes]
    ) -> None:
        self.learner = learner
        self.sample = sample
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
        for update in range(num_updates):
            self.last_episodes = self.sample(seeds(update)) if update else first
            yield self.learner.update(self.last_episodes)


def recorded(updates: Iterator[UpdateStatistics], num_episodes: int) -> Iterator[UpdateRecord]:
    """Numbers updates and counts what they used.

    Args:
        updates: Statistics of one update after the other, from the first.
        num_episodes: Episodes of each update.

    Yields:
        A record of each.

    Raises:
        FloatingPointError: If the loss or the gradient is not finite.
    """
    num_env_steps = 0
    for update, statistics in enumerate(updates):
        num_env_steps += int(statistics.num_env_steps)
        record = UpdateRecord(
            update=update,
            num_episodes=(update + 1) * num_episodes,
            num_env_steps=num_env_steps,
            mean_return=float(statistics.mean_return),
            objective=float(statistics.objective),
            loss=float(statistics.loss),
            entropy=float(statistics.entropy),
            gradient_norm=float(statistics.gradient_norm),
            value_loss=float(statistics.value_loss),
            distribution=np.asarray(statistics.distribution),
        )
        if not all(map(math.isfinite, (record.loss, record.gradient_norm, record.value_loss))):
            raise FloatingPointError(
                f"the loss is {record.loss}, the gradient's norm {record.gradient_norm} and the "
                f"value's loss {record.value_loss}"
            )
        yield record
