"""Action heads: distributions, samples, modes and what the environment is given."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from scipy import stats

from models.heads import make_head

SEED = tf.constant([3, 5], tf.int32)


def test_categorical_samples_are_gumbel_max():
    # argmax(z_a − log(−log u_a)) over uniform u: Gumbel-max, whose draws do not depend on the
    # number of threads, as those of Categorical.sample do from 512 rows on.
    logits = tf.constant(np.random.default_rng(0).normal(size=(600, 4)), tf.float32)
    tiny = np.finfo(np.float32).tiny
    uniform = tf.random.stateless_uniform((600, 4), SEED, minval=tiny).numpy()
    expected = np.argmax(logits.numpy() - np.log(-np.log(uniform)), axis=-1)
    np.testing.assert_array_equal(make_head(spaces.Discrete(4)).sample(logits, SEED), expected)


def test_categorical_samples_follow_the_probabilities():
    probabilities = np.array([0.7, 0.2, 0.1])
    logits = tf.tile(tf.math.log([probabilities.astype(np.float32)]), (20_000, 1))
    actions = make_head(spaces.Discrete(3)).sample(logits, SEED).numpy()
    counts = np.bincount(actions, minlength=3)
    # The seed is fixed; a fair sampler's p-value is uniform, and this one's is far from 0.
    assert stats.chisquare(counts, 20_000 * probabilities).pvalue > 0.01


def test_normal_samples_follow_mean_and_standard_deviation():
    head = make_head(spaces.Box(-1, 1, (2,)))
    outputs = tf.tile([[1.0, -2.0, np.log(0.5), np.log(3)]], (20_000, 1))
    actions = head.sample(outputs, SEED).numpy()
    # Standard errors: 0.5 / √20,000 = 0.0035 and 3 / √20,000 = 0.021; of the deviations less.
    np.testing.assert_allclose(actions.mean(axis=0), [1, -2], atol=0.08)
    np.testing.assert_allclose(actions.std(axis=0), [0.5, 3], rtol=0.03)


def test_categorical_log_prob_by_hand():
    # softmax(log 1, log 3) = (¼, ¾); the space starts at 5.
    head = make_head(spaces.Discrete(2, start=5))
    outputs = tf.math.log([[1.0, 3.0], [1.0, 3.0]])
    np.testing.assert_allclose(
        head.log_prob(outputs, tf.constant([5, 6], tf.int64)), np.log([0.25, 0.75]), rtol=1e-6
    )


def test_normal_log_prob_is_the_sum_over_the_dimensions_of_the_action():
    head = make_head(spaces.Box(-1, 1, (2, 3)))
    generator = np.random.default_rng(0)
    means, scales = generator.normal(size=(4, 6)), generator.uniform(0.5, 2, size=(4, 6))
    outputs = tf.constant(np.concatenate([means, np.log(scales)], axis=1), tf.float32)
    actions = generator.normal(size=(4, 2, 3))
    expected = stats.norm.logpdf(actions.reshape(4, 6), means, scales).sum(axis=1)
    log_probs = head.log_prob(outputs, tf.constant(actions, tf.float32))
    np.testing.assert_allclose(log_probs, expected, rtol=1e-5)


def test_discrete_actions_begin_at_the_start_of_the_space():
    head = make_head(spaces.Discrete(3, start=-1))
    outputs = tf.constant([[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    assert head.mode(outputs).numpy().tolist() == [-1, 1]
    samples = head.sample(tf.zeros((100, 3)), SEED).numpy()
    assert set(samples.tolist()) == {-1, 0, 1}
    assert head.parameter_names == ("probability_-1", "probability_0", "probability_1")


def test_box_actions_are_clipped_for_the_environment_alone():
    low = np.array([-1, -np.inf, 0], np.float32)
    high = np.array([1, np.inf, np.inf], np.float32)
    head = make_head(spaces.Box(low, high))
    outputs = tf.constant([[9.0, 9.0, -9.0, 0.0, 0.0, 0.0]])
    assert head.mode(outputs).numpy().tolist() == [[9, 9, -9]]
    assert head.for_environment(head.mode(outputs)).numpy().tolist() == [[1, 9, 0]]


def test_parameters_have_a_column_for_each_name():
    head = make_head(spaces.Box(-1, 1, (2,)))
    assert head.parameter_names == (
        "mean_0",
        "mean_1",
        "standard_deviation_0",
        "standard_deviation_1",
    )
    parameters = head.parameters(tf.constant([[1.0, 2.0, 0.0, np.log(3)]]))
    np.testing.assert_allclose(parameters, [[1, 2, 1, 3]], rtol=1e-6)
    probabilities = make_head(spaces.Discrete(2)).parameters(tf.math.log([[1.0, 3.0]]))
    np.testing.assert_allclose(probabilities, [[0.25, 0.75]], rtol=1e-6)


def test_another_space_is_refused():
    with pytest.raises(TypeError, match="Expected a Discrete or a Box action space"):
        make_head(spaces.MultiBinary(3))
