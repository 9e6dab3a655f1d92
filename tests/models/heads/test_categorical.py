"""Categoricals: Discrete and MultiDiscrete actions."""

import itertools

import numpy as np
import tensorflow as tf
from gymnasium import spaces
from scipy import stats

from models.heads import make_head
from tests.models.heads.sampling import sample

SEED = tf.constant([3, 5], tf.int32)


def test_categorical_samples_are_gumbel_max():
    # Gumbel-max: argmax(z_a − log(−log u_a)) for uniform u. These samples do not depend on the
    # number of threads; those of Categorical.sample do, with 512 rows or more.
    logits = tf.constant(np.random.default_rng(0).normal(size=(600, 4)), tf.float32)
    tiny = np.finfo(np.float32).tiny
    uniform = tf.random.stateless_uniform((600, 4), SEED, minval=tiny).numpy()
    expected = np.argmax(logits.numpy() - np.log(-np.log(uniform)), axis=-1)
    np.testing.assert_array_equal(sample(make_head(spaces.Discrete(4)), logits, SEED), expected)


def test_categorical_samples_follow_the_probabilities():
    probabilities = np.array([0.7, 0.2, 0.1])
    logits = tf.tile(tf.math.log([probabilities.astype(np.float32)]), (20_000, 1))
    actions = sample(make_head(spaces.Discrete(3)), logits, SEED).numpy()
    counts = np.bincount(actions, minlength=3)
    # The seed is fixed; a fair sampler's p-value is uniform, and this one's is far from 0.
    assert stats.chisquare(counts, 20_000 * probabilities).pvalue > 0.01


def test_categorical_log_prob_by_hand():
    # softmax(log 1, log 3) = (¼, ¾); the space starts at 5.
    head = make_head(spaces.Discrete(2, start=5))
    outputs = tf.math.log([[1.0, 3.0], [1.0, 3.0]])
    np.testing.assert_allclose(
        head.log_prob(outputs, tf.constant([5, 6], tf.int64)), np.log([0.25, 0.75]), rtol=1e-6
    )
    np.testing.assert_allclose(head.parameters(outputs), [[0.25, 0.75]] * 2, rtol=1e-6)


def test_categorical_entropy_by_hand():
    # ¼ log 4 + ¾ log(4/3)
    expected = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    entropy = make_head(spaces.Discrete(2)).entropy(tf.math.log([[1.0, 3.0]]))
    np.testing.assert_allclose(entropy, [expected], rtol=1e-6)


def test_discrete_actions_begin_at_the_start_of_the_space():
    head = make_head(spaces.Discrete(3, start=-1))
    outputs = tf.constant([[5.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    assert head.mode(outputs).numpy().tolist() == [-1, 1]
    samples = sample(head, tf.zeros((100, 3)), SEED).numpy()
    assert set(samples.tolist()) == {-1, 0, 1}
    assert head.parameter_names == ("probability_-1", "probability_0", "probability_1")


# Two components: 0 or 1, with probabilities ¼ and ¾; and 5, 6 or 7, with ½, ⅜ and ⅛.
RAGGED = spaces.MultiDiscrete([2, 3], start=[0, 5])
RAGGED_LOGITS = np.log(np.array([1, 3, 4, 3, 1], np.float32))
JOINT = {
    (first, second): p * q
    for (first, p), (second, q) in itertools.product(
        {0: 1 / 4, 1: 3 / 4}.items(), {5: 1 / 2, 6: 3 / 8, 7: 1 / 8}.items()
    )
}


def test_components_of_unequal_size_are_scored_by_the_product_of_their_probabilities():
    outputs = tf.tile([RAGGED_LOGITS], (6, 1))
    log_probs = make_head(RAGGED).log_prob(outputs, tf.constant(list(JOINT), tf.int64))
    np.testing.assert_allclose(log_probs, np.log(list(JOINT.values())), rtol=1e-5)


def test_components_of_unequal_size_are_sampled_independently():
    outputs = tf.tile([RAGGED_LOGITS], (20_000, 1))
    actions = sample(make_head(RAGGED), outputs, SEED).numpy()
    counts = [np.count_nonzero((actions == pair).all(axis=1)) for pair in JOINT]
    assert sum(counts) == 20_000
    assert stats.chisquare(counts, 20_000 * np.array(list(JOINT.values()))).pvalue > 0.01


def test_multi_categorical_samples_are_gumbel_max():
    # As with one Categorical, the samples must not depend on the number of threads.
    logits = np.random.default_rng(0).normal(size=(600, 2, 4)).astype(np.float32)
    tiny = np.finfo(np.float32).tiny
    uniform = tf.random.stateless_uniform((600, 2, 4), SEED, minval=tiny).numpy()
    expected = np.argmax(logits - np.log(-np.log(uniform)), axis=-1)
    samples = sample(make_head(spaces.MultiDiscrete([4, 4])), logits.reshape(600, 8), SEED)
    np.testing.assert_array_equal(samples, expected)


def test_a_value_that_does_not_exist_is_never_chosen():
    # Not even when all existing values have very low logits: here −1e6 in the first component.
    head = make_head(RAGGED)
    outputs = tf.tile([[-1e6, -1e6, 0.0, 0.0, 0.0]], (10_000, 1))
    assert set(sample(head, outputs, SEED)[:, 0].numpy().tolist()) == {0, 1}
    assert head.mode(outputs)[0, 0] == 0


def test_the_entropy_is_the_sum_over_the_components():
    # H(¼, ¾) + H(½, ⅜, ⅛)
    expected = stats.entropy([1 / 4, 3 / 4]) + stats.entropy([1 / 2, 3 / 8, 1 / 8])
    entropy = make_head(RAGGED).entropy(tf.constant([RAGGED_LOGITS]))
    np.testing.assert_allclose(entropy, [expected], rtol=1e-6)


def test_multi_discrete_parameters_are_the_probabilities_of_existing_values():
    head = make_head(RAGGED)
    assert head.parameter_names == (
        "probability_0_0",
        "probability_0_1",
        "probability_1_5",
        "probability_1_6",
        "probability_1_7",
    )
    parameters = head.parameters(tf.constant([RAGGED_LOGITS]))
    np.testing.assert_allclose(parameters, [[1 / 4, 3 / 4, 1 / 2, 3 / 8, 1 / 8]], rtol=1e-6)


def test_components_of_a_matrix_are_taken_row_by_row():
    # nvec [[2, 3], [1, 2]]: the outputs are the logits of (0, 0), (0, 1), (1, 0) and (1, 1).
    head = make_head(
        spaces.MultiDiscrete(np.array([[2, 3], [1, 2]]), start=np.array([[0, 0], [7, 0]]))
    )
    outputs = tf.constant([[0.0, 9.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0]])
    assert head.mode(outputs).numpy().tolist() == [[[1, 2], [7, 0]]]
    assert head.parameter_names[5] == "probability_2_7"
    # One value of each component has weight e⁹, the others 1; the component with one value is
    # certain.
    p, q = np.exp(9) / (np.exp(9) + 1), np.exp(9) / (np.exp(9) + 2)
    log_prob = head.log_prob(outputs, tf.constant([[[1, 2], [7, 1]]], tf.int64))
    np.testing.assert_allclose(log_prob, [np.log(p) + np.log(q) + np.log(1 - p)], rtol=1e-5)
