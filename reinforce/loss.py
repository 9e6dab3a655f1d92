"""Advantages, and the loss whose gradient is the policy gradient."""

import tensorflow as tf

from reinforce.episodes import check_layout


def normalize(advantages: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Bring advantages to mean 0 and standard deviation 1 over the valid steps.

    Biased: the mean and the deviation depend on the actions that they judge. What is climbed does
    not change when all rewards are multiplied, so it is not the gradient of the objective, and it
    can point away from it: of two episodes of one step only the sign of their difference remains,
    and the update climbs the probability of beating another draw of the policy, not the mean.

    The deviation is the population's (a single step has 0, not NaN). Equal advantages give exactly
    0: the mean is taken of their differences from the first, since its rounding error would else be
    blown up.

    Args:
        advantages: `[B, T]` float.
        valid: `[B, T]` bool; padding neither counts nor changes.

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
        # Of a whole batch at once, XLA would add one number after the other.
        return tf.reduce_sum(tf.reduce_sum(values, axis=0) / count)

    differences = mask * (advantages - advantages[0, 0])
    centred = mask * (differences - mean(differences))
    return tf.math.divide_no_nan(centred, tf.sqrt(mean(centred**2)))


def policy_loss(
    log_probs: tf.Tensor,
    advantages: tf.Tensor,
    entropies: tf.Tensor,
    valid: tf.Tensor,
    entropy_coefficient: float,
) -> tf.Tensor:
    """Compute the loss whose gradient is the policy gradient.

        L = −(1/B) Σ_b Σ_t [log π(a_t|s_t) · A_t + c · H(π(·|s_t))], A under stop-gradient

    Minimising L is gradient ascent along ĝ = (1/B) Σ_b Σ_t ∇log π(a_t|s_t) · A_t: a sum over the
    steps of an episode and a mean over episodes. With c = 0 and A_t = G_t − b_t of an unbiased
    baseline, and as `tests/reinforce/test_unbiased.py` shows for all batches of small
    problems, E ĝ is

    - at γ = 1 exactly ∇J, however long the episodes;
    - at γ < 1 Σ_t Σ_s Pr(S_t = s) Σ_a ∇π(a|s) q_t(s, a): the factor γ^t of ∇J is left out, as
      nearly everywhere. That is the gradient of no function (Nota & Thomas 2020). With advantages
      γ^t A_t it is exactly ∇J.

    The entropy bonus adds c Σ_t Σ_s Pr(S_t = s) ∇H(π(·|s)): it does not count that actions also
    change which states follow.

    Args:
        log_probs: `[B, T]`, log π(a_t|s_t) of the actions as they were sampled; carries the
            gradient.
        advantages: `[B, T]`, A_t = G_t − b_t; a constant to the gradient.
        entropies: `[B, T]`, H(π(·|s_t)); carries a gradient.
        valid: `[B, T]` bool; padding counts for nothing.
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
