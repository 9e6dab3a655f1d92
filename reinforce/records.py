"""The report of an update: statistics, and the record that the learning curve keeps of them."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from environments.faults import EnvironmentFault


class UpdateStatistics(NamedTuple):
    """Statistics of one update, from before the weights changed."""

    num_env_steps: Any  # [] int32, of the episodes together
    mean_return: Any  # [] mean episode return, undiscounted
    objective: Any  # [] mean discounted return of the episodes
    loss: Any  # []
    entropy: Any  # [] mean over valid steps of the policy's entropy, in nats
    gradient_norm: Any  # [] global norm, before clipping
    value_loss: Any  # [] mean squared error of the baseline `value` before it is fitted; else 0
    distribution: Any  # [N] the action distribution's parameters, mean over valid steps


class UpdateRecord(NamedTuple):
    """One update, as the learning curve shows it: the policy before it, and its episodes."""

    update: int  # number of the update, from 0
    num_episodes: int  # sampled so far, this update's included
    num_env_steps: int  # the same
    mean_return: float
    objective: float
    loss: float
    entropy: float
    gradient_norm: float
    value_loss: float
    distribution: np.ndarray  # [N]


class DivergenceError(FloatingPointError):
    """Training broke down: the loss or the gradient of an update is not finite.

    Args:
        message: What is not finite.
        update: Number of the update, from 0.
    """

    def __init__(self, message: str, update: int) -> None:
        super().__init__(message, update)  # both, so that it can be pickled
        self.update = update

    def __str__(self) -> str:
        return str(self.args[0])


def records_of(
    updates: Iterator[list[UpdateStatistics]],
    episodes_per_update: int,
    after: UpdateRecord | None = None,
) -> Iterator[list[UpdateRecord]]:
    """Number updates and count the episodes and env steps that they used.

    Args:
        updates: Statistics of the updates, as many at a time as one call made.
        episodes_per_update: Episodes of each update.
        after: The record of the update before them. Defaults to none: they are the first.

    Yields:
        Their records, as many at a time.

    Raises:
        EnvironmentFault: If rewards are not finite, or too large to be summed.
        DivergenceError: If a loss or a gradient is not finite.
    """
    for of_call in updates:
        records = []
        for statistics in of_call:
            after = _record(statistics, episodes_per_update, after)
            records.append(after)
        yield records


def _record(
    statistics: UpdateStatistics, episodes_per_update: int, before: UpdateRecord | None
) -> UpdateRecord:
    update = before.update + 1 if before else 0
    record = UpdateRecord(
        update=update,
        num_episodes=(update + 1) * episodes_per_update,
        num_env_steps=int(statistics.num_env_steps) + (before.num_env_steps if before else 0),
        mean_return=float(statistics.mean_return),
        objective=float(statistics.objective),
        loss=float(statistics.loss),
        entropy=float(statistics.entropy),
        gradient_norm=float(statistics.gradient_norm),
        value_loss=float(statistics.value_loss),
        distribution=np.asarray(statistics.distribution),
    )
    # A policy that has diverged acts by NaN, and may be rewarded accordingly.
    policy_is_finite = bool(np.isfinite(record.distribution).all())
    if policy_is_finite and not math.isfinite(record.mean_return):
        raise EnvironmentFault(
            f"update {update}: expected finite rewards that float32 can sum up, received a mean "
            f"return of {record.mean_return}"
        )
    losses = (record.loss, record.gradient_norm, record.value_loss, record.mean_return)
    if not all(map(math.isfinite, losses)):
        raise DivergenceError(
            f"the loss is {record.loss}, the gradient's norm {record.gradient_norm} and the "
            f"value's loss {record.value_loss}",
            update,
        )
    return record
