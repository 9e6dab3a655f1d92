"""Normals: Box actions, clipped only for the environment."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from scipy import stats

from models.heads import make_head
from tests.models.heads.sampling import sample

SEED = tf.constant([3, 5], tf.int32)


def test_samples_follow_mean_and_standard_deviation():
    head = make_head(spaces.Box(-1, 1, (2,)))
    outputs = tf.tile([[1.0, -2.0, np.log(0.5), np.log(3)]], (20_000, 1))
    actions = sample(head, outputs, SEED).numpy()
    # Standard errors of the means: 0.5 / √20,000 = 0.0035 and 3 / √20,000 = 0.021. Those of the
    # standard deviations are smaller.
    np.testing.assert_allclose(actions.mean(axis=0), [1, -2], atol=0.08)
    np.testing.assert_allclose(actions.std(axis=0), [0.5, 3], rtol=0.03)


def test_log_prob_is_the_sum_over_the_dimensions_of_the_action():
    head = make_head(spaces.Box(-1, 1, (2, 3)))
    generator = np.random.default_rng(0)
    means, scales = generator.normal(size=(4, 6)), generator.uniform(0.5, 2, size=(4, 6))
    outputs = tf.constant(np.concatenate([means, np.log(scales)], axis=1), tf.float32)
    actions = generator.normal(size=(4, 2, 3))
    expected = stats.norm.logpdf(actions.reshape(4, 6), means, scales).sum(axis=1)
    log_probs = head.log_prob(outputs, tf.constant(actions, tf.float32))
    np.testing.assert_allclose(log_probs, expected, rtol=1e-5)


def test_entropy_by_hand():
    # ½ log(2πe σ²) for each of σ = ½ and 3.
    expected = np.log(2 * np.pi * np.e) + np.log(0.5) + np.log(3)
    outputs = tf.constant([[1.0, -2.0, np.log(0.5), np.log(3)]])
    np.testing.assert_allclose(make_head(spaces.Box(-1, 1, (2,))).entropy(outputs), [expected])


def test_actions_are_clipped_only_for_the_environment():
    low = np.array([-1, -np.inf, 0], np.float32)
    high = np.array([1, np.inf, np.inf], np.float32)
    head = make_head(spaces.Box(low, high))
    outputs = tf.constant([[9.0, 9.0, -9.0, 0.0, 0.0, 0.0]])
    assert head.mode(outputs).numpy().tolist() == [[9, 9, -9]]
    assert head.for_environment(head.mode(outputs)).numpy().tolist() == [[1, 9, 0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_actions_are_clipped_to_the_bounds_in_the_spaces_dtype(dtype):
    # float32(0.1) is 0.100000001…, outside a float64 space; float16 rounds 0.1 differently.
    head = make_head(spaces.Box(-0.1, 0.1, (2,), dtype))
    clipped = head.for_environment(tf.constant([[-9.0, 9.0]])).numpy()
    np.testing.assert_array_equal(clipped, np.array([[-0.1, 0.1]], dtype), strict=True)


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


def network(**options):
    head = make_head(spaces.Box(-1, 1, (2,)), **options)
    features = keras.Input((3,))
    kernel = keras.initializers.Orthogonal(0.01, seed=0)
    return head, keras.Model(features, head.outputs(features, kernel))


FEATURES = np.array([[0, 0, 0], [1, -2, 3]], np.float32)


def test_standard_deviations_are_learned_and_the_same_in_every_state():
    head, model = network(state_dependent=False)
    assert [variable.path for variable in model.trainable_variables] == [
        "mean/kernel",
        "mean/bias",
        "log_standard_deviation/value",
    ]
    kernel, bias, _ = model.get_weights()
    model.set_weights([kernel, bias, np.log([0.5, 3])])
    parameters = head.parameters(model(FEATURES))
    np.testing.assert_allclose(parameters[:, 2:], [[0.5, 3]] * 2, rtol=1e-6)
    np.testing.assert_allclose(parameters[:, :2], FEATURES @ kernel, rtol=1e-5, atol=1e-8)


def test_standard_deviations_that_depend_on_the_state_begin_close_to_1():
    head, model = network(state_dependent=True)
    kernel, bias = model.get_weights()  # one layer, for means and log standard deviations
    assert kernel.shape == (3, 4)
    assert not np.any(bias)
    parameters = head.parameters(model(FEATURES)).numpy()
    np.testing.assert_allclose(parameters[:, 2:], np.exp(FEATURES @ kernel[:, 2:]), rtol=1e-6)
    np.testing.assert_allclose(parameters[:, 2:], np.ones((2, 2)), atol=0.05)
    assert np.abs(parameters[0, 2:] - parameters[1, 2:]).min() > 1e-3


@pytest.mark.parametrize("state_dependent", [False, True])
def test_standard_deviations_begin_at_the_chosen_value(state_dependent):
    head, model = network(state_dependent=state_dependent, initial_standard_deviation=0.3)
    parameters = head.parameters(model(FEATURES[:1])).numpy()  # features of 0: only the biases
    np.testing.assert_allclose(parameters, [[0, 0, 0.3, 0.3]], rtol=1e-6)
