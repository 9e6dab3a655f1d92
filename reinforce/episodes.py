"""Batches of complete episodes, as samplers return them and the learner consumes them.

In the shapes, B is the number of episodes, T the number of steps including padding, and I the size
of an observation, including the mask of legal actions if there is one (see `Policy`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Episodes(NamedTuple):
    """B complete episodes, padded to the longest of them or to the time limit.

    Step t of episode b is at `[b, t]` in every field but the last. Statistics use only `valid`
    steps; values on padding are undefined.
    """

    observations: Any  # [B, T, I] float32, from which the actions were sampled
    actions: Any  # [B, T, *action_shape], as sampled, before any clipping
    log_probs: Any  # [B, T] float32, of `actions` under the policy that sampled them
    rewards: Any  # [B, T] float32
    terminated: Any  # [B, T] bool, True at the step that reached a terminal state
    truncated: Any  # [B, T] bool, True at the step at which a time limit cut the episode off
    valid: Any  # [B, T] bool, False for padding
    # [B, I] float32, the observation after an episode's last step, 0 if that state is terminal; or
    # [B, 0] if it was not recorded, because nothing will use it
    final_observations: Any

    @property
    def num_steps(self) -> np.ndarray:
        """Number of steps of each episode, `[B]`."""
        return np.sum(self.valid, axis=-1)

    @property
    def episode_returns(self) -> np.ndarray:
        """Undiscounted sum of each episode's rewards, `[B]`, in float64."""
        return np.asarray(np.sum(self.rewards, axis=-1, dtype=np.float64, where=self.valid))

    def take(self, num_episodes: int) -> "Episodes":
        """Return the first `num_episodes` episodes, padded only to the longest of them."""
        num_steps = int(self.num_steps[:num_episodes].max())
        return self.map_steps(lambda values: values[:num_episodes, :num_steps])._replace(
            final_observations=self.final_observations[:num_episodes]
        )

    def map_steps(self, function: Callable[[Any], Any]) -> "Episodes":
        """Apply `function` to every field `[B, T, …]`, that is, to all but the last."""
        return Episodes._make([*map(function, self[:-1]), self.final_observations])


def flatten_steps(values: tf.Tensor) -> tf.Tensor:
    """Make each step a row: `[B, T, …]` → `[B T, …]`."""
    values = tf.convert_to_tensor(values)
    return tf.reshape(values, [-1, *values.shape[2:]])


def write_rows(rows: tf.Tensor, index: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Set `rows[index[n]] = values[n]` for each n. Indices out of range are ignored.

    Args:
        rows: `[M, …]`.
        index: `[N]` int32, without duplicates.
        values: `[N, …]`.

    Returns:
        `[M, …]`. Compiled by XLA, it reuses the memory of `rows`.
    """
    return tf.raw_ops.TensorScatterUpdate(
        tensor=rows, indices=index[:, tf.newaxis], updates=values, bad_indices_policy="IGNORE"
    )


def check_layout(**values: Any) -> None:
    """Check that tensors have one number for each step: all `[B, T]`; `valid` bool, others floats.

    The check uses only static shapes and dtypes, so it costs nothing in a compiled function.

    Raises:
        ValueError: If a tensor's rank is not 2, or its shape differs from the preceding tensors'.
        TypeError: If `valid` is not bool, or another tensor is not floating-point.
    """
    shape = tf.TensorShape([None, None])
    for name, tensor in values.items():
        if not shape.is_compatible_with(tensor.shape):
            expected = "[B, T]" if shape.rank == 2 and None in shape.as_list() else str(shape)
            raise ValueError(
                f"Received an invalid shape for `{name}`, expected {expected}, one number for each "
                f"step. Received: shape={tuple(tensor.shape)}"
            )
        shape = shape.merge_with(tensor.shape)
        dtype = tf.as_dtype(tensor.dtype)
        if not (dtype.is_bool if name == "valid" else dtype.is_floating):
            expected = "bool" if name == "valid" else "a float"
            raise TypeError(
                f"Received an invalid dtype for `{name}`, expected {expected}. "
                f"Received: dtype={dtype.name}"
            )
