"""The policy and its network."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from tests.models.products import kernels


def make_policy(action_space, observation_size=4, hidden_sizes=(64, 64), seed=0, **options):
    head = make_head(action_space, **options)
    entropy = np.random.SeedSequence(seed)
    network = make_policy_network(observation_size, hidden_sizes, "tanh", head, entropy)
    return Policy(network, head, observation_size)


def test_initial_weights_are_orthogonal_and_the_last_layer_is_small():
    policy = make_policy(spaces.Discrete(2))
    first, b1, second, b2, last, b3 = policy.network.get_weights()
    # W is √2 times a matrix with orthonormal rows, so W Wᵀ = 2 I. The last layer's kernel is 0.01
    # times a matrix with orthonormal columns.
    np.testing.assert_allclose(first @ first.T, 2 * np.eye(4), atol=1e-5)
    np.testing.assert_allclose(second @ second.T, 2 * np.eye(64), atol=1e-5)
    np.testing.assert_allclose(last.T @ last, 1e-4 * np.eye(2), atol=1e-9)
    assert not np.any(np.concatenate([b1, b2, b3]))


def test_an_initial_policy_hardly_prefers_any_action():
    observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    discrete = make_policy(spaces.Discrete(5)).distribution(observations).probs_parameter()
    np.testing.assert_allclose(discrete, np.full((50, 5), 0.2), atol=0.02)
    normal = make_policy(spaces.Box(-3, 3, (2,))).distribution(observations)
    np.testing.assert_allclose(normal.mean(), np.zeros((50, 2)), atol=0.1)
    np.testing.assert_allclose(normal.stddev(), np.ones((50, 2)))


def test_the_seed_determines_the_weights():
    def weights(seed):
        return make_policy(spaces.Discrete(2), seed=seed).network.get_weights()

    for one, again, other in zip(weights(1), weights(1), weights(2), strict=True):
        np.testing.assert_array_equal(one, again)
        if one.ndim == 2:
            assert not np.array_equal(one, other)


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.Box(-0.1, 0.1, (2,))])
def test_a_sample_is_scored_before_clipping(space):
    policy = make_policy(space)
    observations = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    sample = policy.sample(observations, tf.constant([1, 2]))
    expected = policy.distribution(observations).log_prob(sample.raw_action)
    log_prob = policy.head.log_prob(sample.outputs, sample.raw_action)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)
    if isinstance(space, spaces.Box):
        # Nearly all samples lie outside these narrow bounds, so clipping changes their density.
        clipped = policy.distribution(observations).log_prob(sample.action)
        assert np.abs(log_prob - clipped).max() > 1
        assert np.abs(sample.action).max() <= np.float32(0.1)


def test_outputs_keep_the_leading_dimensions():
    policy = make_policy(spaces.Box(-1, 1, (3,)))
    observations = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    outputs = policy.outputs(observations)
    assert outputs.shape == (2, 5, 6)
    np.testing.assert_allclose(outputs[1], policy.outputs(observations[1]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("leading", [(5,), (2, 5)])
@pytest.mark.parametrize(
    ("space", "options", "units"),
    [
        (spaces.Discrete(3), {}, 3),
        (spaces.MultiDiscrete([2, 3]), {}, 5),
        (spaces.MultiBinary(3), {}, 3),
        (spaces.Box(-1, 1, (2,)), {}, 2),
        (spaces.Box(-1, 1, (2,)), {"state_dependent": True}, 4),
        (spaces.Box(-1, 1, (2,)), {"squash": True}, 2),
    ],
)
def test_the_last_layer_receives_the_training_flag(space, options, units, leading):
    policy = make_policy(space, **options)
    for training, expected in [(True, [8, 64]), (False, [64, units])]:
        *_, last = kernels(lambda x, t=training: policy.outputs(x, training=t), [*leading, 4])
        assert last == expected


def test_without_hidden_layers_the_policy_is_a_softmax_of_the_weights():
    policy = make_policy(spaces.Discrete(2), observation_size=1, hidden_sizes=())
    policy.network.set_weights([np.array([[1.0, 3.0]]), np.array([0.5, 0.0])])
    # Logits 1.5 and 3 at observation 1: π(1) = 1 / (1 + e^−1.5).
    probabilities = policy.distribution(np.ones((1, 1), np.float32)).probs_parameter()
    np.testing.assert_allclose(probabilities[0, 1], 1 / (1 + np.exp(-1.5)), rtol=1e-6)
