"""Discounted returns G_t."""

import tensorflow as tf

from reinforce.episodes import check_layout, write_rows
from reinforce.tuning import tuning


def discounted_returns(rewards: tf.Tensor, valid: tf.Tensor, gamma: tf.Tensor | float) -> tf.Tensor:
    """Compute the return of every step until the end of its episode.

        G_t = Σ_k γ^k r_{t+k} = r_t + γ G_{t+1}

    Args:
        rewards: `[B, T]` float. Rewards on padding are ignored.
        valid: `[B, T]` bool, False for padding.
        gamma: Discount factor γ in [0, 1], a number or a scalar in the dtype of `rewards`.

    Returns:
        `[B, T]` in the dtype of `rewards`; 0 on padding.

    Raises:
        ValueError: If the arguments are not both `[B, T]`.

    Source: Sutton & Barto (2018), equations 3.8 and 3.9.
    """
    rewards, valid = tf.convert_to_tensor(rewards), tf.convert_to_tensor(valid)
    check_layout(rewards=rewards, valid=valid)
    rewards = tf.where(valid, rewards, 0)
    gamma = tf.convert_to_tensor(gamma, rewards.dtype)
    if rewards.shape[1] is None or tuning().returns_by_doubling:
        return _by_doubling(rewards, gamma)
    return _by_recurrence(rewards, valid, gamma)


def _by_recurrence(rewards: tf.Tensor, valid: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    """Apply G_t = r_t + γ G_{t+1} backwards, from the end of the longest episode.

    Compiled by XLA, this costs less than computing on padding up to the time limit.
    """
    num_episodes, num_steps = rewards.shape
    longest = tf.reduce_max(tf.math.count_nonzero(valid, axis=1, dtype=tf.int32))
    first = tf.range(num_episodes) * num_steps  # the row of each episode's first step

    def step(
        later: tf.Tensor, following: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = first + later - 1
        returns = tf.gather(rows, index) + gamma * following  # [B]
        return later - 1, returns, write_rows(rows, index, returns)

    *_, rows = tf.while_loop(
        lambda later, *_: later > 0,
        step,
        (longest, tf.zeros([num_episodes], rewards.dtype), tf.reshape(rewards, [-1])),
    )
    return tf.reshape(rows, rewards.shape)


def _by_doubling(rewards: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    """Sum over windows of w = 1, 2, 4, … steps, by W'_t = W_t + γ^w W_{t+w}.

    Without XLA or on a GPU, log₂ T operations on whole batches cost less than T consecutive ones.
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
        (tf.constant(1), gamma, rewards),
    )[-1]
