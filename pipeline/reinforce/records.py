"""What is recorded of training; needs no TensorFlow."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pipeline.reinforce.learner import UpdateStatistics


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


def recorded(
    updates: Iterator["UpdateStatistics"], num_episodes: int, after: UpdateRecord | None = None
) -> Iterator[UpdateRecord]:
    """Numbers updates and counts what they used.

    Args:
        updates: Statistics of one update after the other.
        num_episodes: Episodes of each update.
        after: The record of the update before them. Defaults to none: they are the first.

    Yields:
        A record of each.

    Raises:
        FloatingPointError: If the loss or the gradient is not finite.
    """
    num_env_steps = after.num_env_steps if after else 0
    for update, statistics in enumerate(updates, start=after.update + 1 if after else 0):
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
