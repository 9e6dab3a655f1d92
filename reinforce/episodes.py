"""The batch of complete episodes that flows from the sampler to the gradient.

In the shapes, B is the number of episodes, T the number of steps that a row has room for, and I the
size of an observation, with the mask of legal actions behind it if there is one (see `Policy`).
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Episodes(NamedTuple):
    """B complete episodes, one a row, padded to the T steps of the longest or to the time limit.

    Step t of episode b is at `[b, t]` in every field. Statistics count `valid` steps only; values
    on padding are undefined.
    """

    observations: Any  # [B, T, I] float32, what the policy saw before it acted
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
        """Take the first `num_episodes`, without padding that none of them needs."""
        num_steps = int(self.num_steps[:num_episodes].max())
        return Episodes(*(values[:num_episodes, :num_steps] for values in self))


def flatten_steps(values: tf.Tensor) -> tf.Tensor:
    """Make one row of each step: `[B, T, …]` → `[B T, …]`."""
    values = tf.convert_to_tensor(values)
    return tf.reshape(values, [-1, *values.shape[2:]])


def write_rows(rows: tf.Tensor, index: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Set `rows[index[n]] = values[n]` for each n; an index outside of `rows` writes nothing.

    Args:
        rows: `[M, …]`.
        index: `[N]` int32, no two of them the same.
        values: `[N, …]`.

    Returns:
        `[M, …]`; where XLA compiles it, in the memory of `rows`.
    """
    return tf.raw_ops.TensorScatterUpdate(
        tensor=rows, indices=index[:, tf.newaxis], updates=values, bad_indices_policy="IGNORE"
    )


def check_layout(**values: Any) -> None:
    """Check that tensors have one number for each step: all `[B, T]`, `valid` bool, others floats.

    Only what is known while a function is traced is looked at, so the check costs nothing when it
    runs.

    Raises:
        ValueError: If a tensor has another rank than 2 or another shape than those before it.
        TypeError: If a tensor has another dtype.
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
