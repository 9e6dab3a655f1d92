"""Discounted returns."""

import tensorflow as tf

from reinforce.episodes import check_layout, write_rows
from reinforce.tuning import tuning


def discounted_returns(rewards: tf.Tensor, valid: tf.Tensor, gamma: float) -> tf.Tensor:
    """Compute the return of every step, up to the end of its episode.

        G_t = Σ_k γ^k r_{t+k} = r_t + γ G_{t+1}

    Args:
        rewards: `[B, T]` float.
        valid: `[B, T]` bool, False for padding, whose rewards do not count.
        gamma: Discount factor γ, from 0 to 1.

    Returns:
        `[B, T]`, of the type of `rewards`; 0 on padding.

    Raises:
        ValueError: If the arguments are not both `[B, T]`.

    Source: Sutton & Barto (2018), equations 3.8 and 3.9.
    """
    rewards, valid = tf.convert_to_tensor(rewards), tf.convert_to_tensor(valid)
    check_layout(rewards=rewards, valid=valid)
    rewards = tf.where(valid, rewards, 0)
    if rewards.shape[1] is None or tuning().returns_by_doubling:
        return _by_doubling(rewards, gamma)
    return _by_recurrence(rewards, valid, gamma)


def _by_recurrence(rewards: tf.Tensor, valid: tf.Tensor, gamma: float) -> tf.Tensor:
    """Step after step, backwards from the end of the longest episode.

    Where XLA compiles it, a step costs less than the padding up to the time limit would.
    """
    num_episodes, num_steps = rewards.shape
    longest = tf.reduce_max(tf.math.count_nonzero(valid, axis=1, dtype=tf.int32))
    first = tf.range(num_episodes) * num_steps  # the row of each episode's first step

    def step(
        later: tf.Tensor, following: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = first + later - 1
        returns = tf.gather(rows, index) + tf.constant(gamma, rows.dtype) * following  # [B]
        return later - 1, returns, write_rows(rows, index, returns)

    *_, rows = tf.while_loop(
        lambda later, *_: later > 0,
        step,
        (longest, tf.zeros([num_episodes], rewards.dtype), tf.reshape(rewards, [-1])),
    )
    return tf.reshape(rows, rewards.shape)


def _by_doubling(rewards: tf.Tensor, gamma: float) -> tf.Tensor:
    """Add up windows of w = 1, 2, 4, … steps, W'_t = W_t + γ^w W_{t+w}.

    Where each operation is called by itself, log₂ T additions of whole batches cost less than T
    that wait for each other.
    """
    num_steps = tf.shape(rewards)[1]

    def double(
        window: tf.Tensor, discount: tf.Tensor, sums: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        padded = tf.pad(sums, [[0, 0], [0, num_steps]])
        later = tf.slice(padded, [0, window], tf.shape(sums))  # W_{t+w}, 0 beyond the end
        return 2 * window, discount**2, sums + tf.ensure_shape(discount * later, sums.shape)

    return tf.while_loop(
        lambda window, *_: window < num_steps,
        double,
        (tf.constant(1), tf.constant(gamma, rewards.dtype), rewards),
    )[-1]
