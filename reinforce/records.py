"""Statistics of updates, and the records that make up the learning curve."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from environments.faults import EnvironmentFault


class UpdateStatistics(NamedTuple):
    """Statistics of one update, computed before the weights changed."""

    num_env_steps: Any  # [] int32, total of all episodes
    mean_return: Any  # [] mean episode return, undiscounted
    objective: Any  # [] mean discounted return of the episodes
    loss: Any  # []
    entropy: Any  # [] mean over valid steps of the policy's entropy, in nats
    gradient_norm: Any  # [] global norm, before clipping
    value_loss: Any  # [] mean squared error of the baseline `value` before its fit; 0 without it
    distribution: Any  # [N] the action distribution's parameters, mean over valid steps


class UpdateRecord(NamedTuple):
    """One row of the learning curve: the policy before an update, and the update's episodes."""

    update: int  # number of the update, from 0
    num_episodes: int  # cumulative, including this update's
    num_env_steps: int  # cumulative, including this update's
    mean_return: float
    objective: float
    loss: float
    entropy: float
    gradient_norm: float
    value_loss: float
    distribution: np.ndarray  # [N]


class DivergenceError(FloatingPointError):
    """Training has diverged: the loss or the gradient of an update is not finite.

    Args:
        message: States which number is not finite.
        update: Number of the update, from 0.
    """

    def __init__(self, message: str, update: int) -> None:
        super().__init__(message, update)  # both, so that unpickling works
        self.update = update

    def __str__(self) -> str:
        return str(self.args[0])


def make_records(
    updates: Iterator[list[UpdateStatistics]],
    episodes_per_update: int,
    after: UpdateRecord | None = None,
) -> Iterator[list[UpdateRecord]]:
    """Convert statistics to records, with update numbers and cumulative episodes and env steps.

    Args:
        updates: Statistics of consecutive updates, in groups: each group was computed in one call.
        episodes_per_update: Episodes of each update.
        after: Record of the preceding update. Defaults to None: the updates start at 0.

    Yields:
        The records, in the same groups.

    Raises:
        EnvironmentFault: If rewards are not finite, or their sum overflows float32.
        DivergenceError: If a loss or a gradient is not finite.
    """
    for group in updates:
        records = []
        for statistics in group:
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
    # A diverged policy sends NaN actions, so NaN rewards are then not the environment's fault.
    policy_is_finite = bool(np.isfinite(record.distribution).all())
    if policy_is_finite and not math.isfinite(record.mean_return):
        raise EnvironmentFault(
            f"update {update}: expected finite rewards whose sum fits into float32, received a "
            f"mean return of {record.mean_return}"
        )
    losses = (record.loss, record.gradient_norm, record.value_loss, record.mean_return)
    if not all(map(math.isfinite, losses)):
        raise DivergenceError(
            f"the loss is {record.loss}, the gradient norm {record.gradient_norm} and the value "
            f"loss {record.value_loss}",
            update,
        )
    return record
