"""Discounted returns."""

import tensorflow as tf


def discounted_returns(rewards: tf.Tensor, valid: tf.Tensor, gamma: float) -> tf.Tensor:
    """Return of every step: G_t = Σ_k γ^k r_{t+k} = r_t + γ G_{t+1}, up to the episode's last step.

    Computed by doubling: sums over windows of w = 1, 2, 4, … steps, W'_t = W_t + γ^w W_{t+w}, which
    takes log₂ T additions of whole batches instead of T that wait for each other.

    Args:
        rewards: `[B, T]` float.
        valid: `[B, T]` bool, False for padding, whose rewards do not count.
        gamma: Discount factor γ, from 0 to 1.

    Returns:
        `[B, T]`, of the type of `rewards`; 0 on padding.

    Source: Sutton & Barto (2018), equations 3.8 and 3.9.
    """
    sums = tf.where(valid, rewards, 0)  # [B, T]

    def double(
        window: int | tf.Tensor, discount: tf.Tensor, sums: tf.Tensor
    ) -> tuple[int | tf.Tensor, tf.Tensor, tf.Tensor]:
        later = tf.pad(sums[:, window:], [[0, 0], [0, window]])  # W_{t+w}, 0 beyond the end
        return 2 * window, discount**2, sums + tf.ensure_shape(discount * later, rewards.shape)

    window, discount = 1, tf.constant(gamma, rewards.dtype)
    if rewards.shape[1] is not None:  # XLA needs windows that are known when it compiles
        while window < rewards.shape[1]:
            window, discount, sums = double(window, discount, sums)
        return sums
    num_steps = tf.shape(rewards)[1]
    return tf.while_loop(lambda window, *_: window < num_steps, double, (window, discount, sums))[
        -1
    ]
