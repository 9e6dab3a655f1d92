"""Bernoullis: MultiBinary actions."""

import numpy as np
import tensorflow as tf
from gymnasium import spaces
from scipy import special, stats

from models.heads import make_head
from tests.models.heads.sampling import sample

SEED = tf.constant([3, 5], tf.int32)


def test_log_prob_is_the_sum_over_the_components():
    head = make_head(spaces.MultiBinary([2, 3]))
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(8, 6), scale=2)
    actions = generator.integers(2, size=(8, 2, 3))
    expected = stats.bernoulli.logpmf(actions.reshape(8, 6), special.expit(logits)).sum(axis=1)
    log_prob = head.log_prob(tf.constant(logits, tf.float32), tf.constant(actions))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


def test_a_component_is_one_where_a_uniform_draw_is_below_its_probability():
    # Uniform draws do not depend on the number of threads.
    logits = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)
    uniform = tf.random.stateless_uniform((600, 2, 3), SEED).numpy()
    samples = sample(make_head(spaces.MultiBinary([2, 3])), tf.constant(logits), SEED)
    np.testing.assert_array_equal(samples, uniform < special.expit(logits).reshape(600, 2, 3))


def test_samples_follow_the_probabilities():
    head = make_head(spaces.MultiBinary(2))
    outputs = tf.tile([special.logit(np.array([0.2, 0.9])).astype(np.float32)], (20_000, 1))
    samples = sample(head, outputs, SEED).numpy()
    # (0, 0), (0, 1), (1, 0), (1, 1): 0.8 · 0.1, 0.8 · 0.9, 0.2 · 0.1, 0.2 · 0.9
    counts = np.bincount(2 * samples[:, 0] + samples[:, 1], minlength=4)
    assert stats.chisquare(counts, 20_000 * np.array([0.08, 0.72, 0.02, 0.18])).pvalue > 0.01


def test_mode_is_one_where_the_probability_is_above_one_half():
    head = make_head(spaces.MultiBinary([2, 2]))
    mode = head.mode(tf.constant([[-0.1, 0.1, 5.0, -5.0]]))
    assert mode.numpy().tolist() == [[[0, 1], [1, 0]]]


def test_parameters_are_the_probabilities_of_a_one():
    head = make_head(spaces.MultiBinary([1, 2]))
    assert head.parameter_names == ("probability_0_1", "probability_1_1")
    # 1 / (1 + e^(−log 3)) = ¾
    parameters = head.parameters(tf.constant([[0.0, np.log(3)]]))
    np.testing.assert_allclose(parameters, [[0.5, 0.75]], rtol=1e-6)


def test_entropy_is_the_sum_over_the_components():
    # log 2 for probability ½; ¼ log 4 + ¾ log(4/3) for ¾
    expected = np.log(2) + 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    entropy = make_head(spaces.MultiBinary(2)).entropy(tf.constant([[0.0, np.log(3)]]))
    np.testing.assert_allclose(entropy, [expected], rtol=1e-6)
