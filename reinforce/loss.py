"""The loss whose gradient is the policy gradient, and the normalization of advantages."""

import tensorflow as tf

from reinforce.episodes import check_layout


def normalize(advantages: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Normalize advantages to mean 0 and standard deviation 1 over the valid steps.

        A'_t = (A_t − mean(A)) / std(A)

    Biased, because the mean and the standard deviation depend on the actions whose advantages they
    normalize. The expected update is not the gradient of the objective: multiplying all rewards by
    a positive constant multiplies the gradient by it, but leaves the update unchanged. The update
    can even point away from the gradient.
    Example: of two episodes with one step each, only the sign of the difference remains. The update
    then increases the probability of beating another sample of the policy, not the mean return.

    `std` is the population standard deviation, which is 0 (not NaN) for a single step. If all
    advantages are equal, the result is exactly 0: the mean is computed from differences to the
    first advantage, because a rounding error in the mean would be amplified.

    Args:
        advantages: `[B, T]` float.
        valid: `[B, T]` bool, False for padding.

    Returns:
        `[B, T]`; 0 on padding.

    Raises:
        ValueError: If the arguments are not both `[B, T]`.
    """
    advantages = tf.convert_to_tensor(advantages)
    check_layout(advantages=advantages, valid=valid)
    mask = tf.cast(valid, advantages.dtype)
    count = tf.cast(tf.math.count_nonzero(valid), advantages.dtype)

    def mean(values: tf.Tensor) -> tf.Tensor:
        # Sum in two steps: XLA sums a whole batch one element at a time, which is slow.
        return tf.reduce_sum(tf.reduce_sum(values, axis=0) / count)

    differences = mask * (advantages - advantages[0, 0])
    centered = mask * (differences - mean(differences))
    return tf.math.divide_no_nan(centered, tf.sqrt(mean(centered**2)))


def policy_loss(
    log_probs: tf.Tensor,
    advantages: tf.Tensor,
    entropies: tf.Tensor,
    valid: tf.Tensor,
    entropy_coefficient: tf.Tensor | float,
) -> tf.Tensor:
    """Compute the loss whose gradient is the policy gradient.

        L = −(1/B) Σ_b Σ_t [log π(a_t|s_t) · A_t + c · H(π(·|s_t))], with A_t held constant
        −∇L = ĝ = (1/B) Σ_b Σ_t ∇log π(a_t|s_t) · A_t, for c = 0

    Minimizing L is gradient ascent along ĝ: a sum over the steps of an episode and a mean over
    episodes. The loss exists only for its gradient; its value does not measure progress.

    For c = 0 and A_t = G_t − b_t with an unbiased baseline, the expectation of ĝ is

    - at γ = 1, exactly ∇J, whatever the lengths of the episodes;
    - at γ < 1, Σ_t Σ_s Pr(S_t = s) Σ_a ∇π(a|s) q_t(s, a). It lacks the factor γ^t of ∇J, which
      nearly all implementations omit, and is not the gradient of any function (Nota & Thomas 2020).
      With advantages γ^t A_t, the expectation is exactly ∇J.

    `tests/reinforce/test_unbiased.py` verifies this over all batches of small problems.

    The entropy bonus adds c Σ_t Σ_s Pr(S_t = s) ∇H(π(·|s)). It ignores that actions also change
    which states are visited.

    Args:
        log_probs: `[B, T]`, log π(a_t|s_t) of the sampled actions; differentiated.
        advantages: `[B, T]`, A_t = G_t − b_t; not differentiated (stop-gradient).
        entropies: `[B, T]`, H(π(·|s_t)); differentiated.
        valid: `[B, T]` bool, False for padding, which does not contribute.
        entropy_coefficient: c ≥ 0.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If the arguments are not all `[B, T]`.

    Source: Williams (1992), "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning"; Sutton, McAllester, Singh & Mansour (2000), theorem 1; Nota & Thomas
    (2020), "Is the policy gradient a gradient?". The entropy bonus: Williams & Peng (1991).
    """
    check_layout(log_probs=log_probs, advantages=advantages, entropies=entropies, valid=valid)
    objective = log_probs * tf.stop_gradient(advantages) + entropy_coefficient * entropies
    num_episodes = tf.cast(tf.shape(valid)[0], objective.dtype)
    return -tf.reduce_sum(tf.where(valid, objective, 0)) / num_episodes
