"""The loss, and the normalization of advantages."""

import numpy as np
import pytest
import tensorflow as tf

from reinforce.loss import normalize, policy_loss


def loss_of(log_probs, advantages, valid, entropies=None, entropy_coefficient=0.0):
    log_probs = tf.convert_to_tensor(log_probs, tf.float64)
    entropies = tf.zeros_like(log_probs) if entropies is None else entropies
    return policy_loss(log_probs, advantages, entropies, np.array(valid), entropy_coefficient)


def test_sum_over_steps_and_mean_over_episodes():
    # −[(−1·2 − 2·3) + (−4·5)] / 2 = (8 + 20) / 2 = 14; a mean over the three steps would be 28 / 3.
    log_probs, advantages = [[-1, -2], [-4, -9]], np.array([[2.0, 3.0], [5.0, 7.0]])
    assert loss_of(log_probs, advantages, [[True, True], [True, False]]).numpy() == 14


def test_padding_is_ignored_even_if_it_is_not_finite():
    advantages = np.array([[2.0, np.inf]])
    assert loss_of([[-1, -np.inf]], advantages, [[True, False]]).numpy() == 2


def test_minimizing_it_makes_rewarded_actions_more_likely():
    # dL/d log π = −A: descent raises log π where A > 0 and lowers it where A < 0.
    log_probs = tf.Variable([[-1.0, -2.0]], dtype=tf.float64)
    with tf.GradientTape() as tape:
        loss = loss_of(log_probs, np.array([[3.0, -5.0]]), [[True, True]])
    np.testing.assert_array_equal(tape.gradient(loss, log_probs), [[-3, 5]])


def test_no_gradient_flows_through_the_advantages():
    # Otherwise the policy loss would train the baseline.
    baseline = tf.Variable(1.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        loss = loss_of([[-1.0]], tf.reshape(5 - baseline, (1, 1)), [[True]])
    assert tape.gradient(loss, baseline) is None


def test_entropy_is_rewarded():
    # −[−1·2 + 0.5·0.7 − 4·0 + 0.5·0.1] = 2 − 0.4 = 1.6
    entropies = np.array([[0.7, 0.1]])
    loss = loss_of([[-1, -4]], np.array([[2.0, 0.0]]), [[True, True]], entropies, 0.5)
    np.testing.assert_allclose(loss, 1.6)


def test_normalize_over_valid_steps_only():
    # Valid: 1, 3, 5; mean 3, population variance 8/3. The padding's 100 does not count.
    advantages = np.array([[1.0, 3.0], [5.0, 100.0]])
    valid = np.array([[True, True], [True, False]])
    scale = np.sqrt(8 / 3)
    expected = [[-2 / scale, 0], [2 / scale, 0]]
    np.testing.assert_allclose(normalize(advantages, valid), expected, rtol=1e-6)


def test_normalize_of_a_single_step_is_zero_and_not_nan():
    assert normalize(np.array([[4.0]]), np.array([[True]])).numpy() == 0


def test_normalize_does_not_amplify_rounding_errors():
    # The float32 mean of 8,000 equal advantages differs from them by a rounding error. Their
    # standard deviation is as small, so the quotient would be a full-size gradient without cause.
    advantages = np.full((8, 1000), 99.342957, np.float32)
    assert np.mean(advantages) != advantages[0, 0]
    np.testing.assert_array_equal(normalize(advantages, np.ones((8, 1000), bool)), 0)


def test_arguments_without_a_step_axis_are_refused():
    # [2] would be broadcast to [2, 2].
    steps, valid = np.ones((2, 2)), np.ones((2, 2), bool)
    for a, b, c, mask in [
        (steps[0], steps, steps, valid),
        (steps, steps[0], steps, valid),
        (steps, steps, steps[0], valid),
        (steps, steps, steps, valid[0]),
    ]:
        with pytest.raises(ValueError, match="invalid shape"):
            policy_loss(a, b, c, mask, entropy_coefficient=0.0)
    for advantages, mask in [(steps[0], valid), (steps, valid[0])]:
        with pytest.raises(ValueError, match="invalid shape"):
            normalize(advantages, mask)
