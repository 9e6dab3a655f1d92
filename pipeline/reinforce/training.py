"""One run of REINFORCE: sample, update, repeat."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner


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
    distribution: np.ndarray  # [N] after it: the action distribution's parameters, mean over steps


def train_run(
    learner: Learner, first: Episodes, sample: Callable[[int], Episodes], num_updates: int
) -> Iterator[UpdateRecord]:
    """Trains the learner's policy, as it stands, by `num_updates` updates.

    Args:
        learner: Its optimizers are reset; its policy is left trained.
        first: Episodes that this very policy sampled, for update 0.
        sample: Samples episodes for update 1, 2, … with the policy as it is then.
        num_updates: How many.

    Yields:
        A record of each update, right after it.

    Raises:
        FloatingPointError: If the loss, the gradient or the policy's outputs are not finite.
    """
    learner.reset()
    num_episodes = num_env_steps = 0
    for update in range(num_updates):
        episodes = sample(update) if update else first
        statistics = learner.update(episodes)
        num_episodes += len(episodes.valid)
        num_env_steps += int(episodes.num_steps.sum())
        record = UpdateRecord(
            update=update,
            num_episodes=num_episodes,
            num_env_steps=num_env_steps,
            mean_return=float(episodes.episode_returns.mean()),
            objective=float(statistics.objective),
            loss=float(statistics.loss),
            entropy=float(statistics.entropy),
            gradient_norm=float(statistics.gradient_norm),
            value_loss=float(statistics.value_loss),
            distribution=statistics.distribution.numpy(),
        )
        if not all(map(math.isfinite, (record.loss, record.gradient_norm, record.value_loss))):
            raise FloatingPointError(
                f"the loss is {record.loss}, the gradient's norm {record.gradient_norm} and the "
                f"value's loss {record.value_loss}"
            )
        yield record
