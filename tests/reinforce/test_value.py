"""The learned baseline `value`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from reinforce.value import compile_fit
from tests.reinforce.examples import (
    make_episodes,
    make_learner,
    make_policy,
    make_value,
    random_episodes,
)


def make_observed(observations, valid=None):
    """Create episodes for tests in which only the observations `[B, T, O]` matter."""
    observations = np.asarray(observations)
    zeros = np.zeros(observations.shape[:2])
    return make_episodes(observations, zeros.astype(int), zeros, valid)


def test_a_step_by_hand():
    # V(s) = w s + b = 2 s. Two valid steps, s = (1, 3), returns (4, 5): errors e = V − G = (−2, 1),
    # mean square 2.5. ∂/∂w = (2/2) Σ e s = −2 + 3 = 1, ∂/∂b = −2 + 1 = −1. With learning rate 0.1,
    # the step leads to w = 1.9, b = 0.1.
    value = make_value()
    value.network.set_weights([np.array([[2.0]]), np.zeros(1)])
    episodes = make_observed([[[1.0], [7.0]], [[3.0], [9.0]]], [[True, False], [True, False]])
    returns = tf.constant([[4.0, 50.0], [5.0, 60.0]])
    error = value.fit(episodes.observations, returns, episodes.valid)
    np.testing.assert_allclose(error, 2.5)
    np.testing.assert_allclose(np.ravel(value.network.get_weights()[0]), [1.9], rtol=1e-6)
    np.testing.assert_allclose(value.network.get_weights()[1], [0.1], rtol=1e-6)
    np.testing.assert_allclose(
        value.predict(episodes.observations, returns, episodes.valid)[:, 0], [2.0, 5.8], rtol=1e-6
    )


def test_it_takes_as_many_steps_as_specified():
    # V = b, target 1: each step with learning rate 0.1 leaves 0.8 of the error; 0.8³ = 0.512.
    value = make_value(steps_per_update=3)
    value.network.set_weights([np.zeros((1, 1)), np.zeros(1)])
    value.fit(tf.zeros((1, 1, 1)), tf.ones((1, 1)), tf.constant([[True]]))
    np.testing.assert_allclose(value.network.get_weights()[1], [1 - 0.512], rtol=1e-6)


@pytest.mark.parametrize("normalize_targets", [False, True])
def test_it_learns_what_returns_depend_on(normalize_targets):
    # Returns are −1,000 ± 100, as in Pendulum. Without normalization, the same number of steps is
    # far from enough.
    generator = np.random.default_rng(0)
    observations = generator.normal(size=(16, 20, 2)).astype(np.float32)
    returns = -1000 + 100 * observations[..., 0] * observations[..., 1]
    value = make_value(
        2,
        (32,),
        keras.optimizers.Adam(0.01),
        steps_per_update=50,
        normalize_targets=normalize_targets,
    )
    fit = tf.function(value.fit, jit_compile=True)
    valid = np.ones(returns.shape, bool)
    errors = [float(fit(observations, returns.astype(np.float32), valid)) for _ in range(20)]
    assert (errors[-1] < 0.1 * returns.var()) == normalize_targets


def test_predictions_are_in_the_units_of_the_returns():
    value = make_value(normalize_targets=True)
    value.network.set_weights([np.ones((1, 1)), np.zeros(1)])
    episodes, returns = make_observed([[[0.0], [1.0]]]), tf.constant([[10.0, 30.0]])
    np.testing.assert_allclose(
        value.predict(episodes.observations, returns, episodes.valid), [[0, 1]]
    )
    value.optimizer.learning_rate = 0.0
    # Returns 10 and 30: mean 20, standard deviation 10. Outputs 0 and 1 now stand for 20 and 30.
    value.fit(episodes.observations, returns, episodes.valid)
    np.testing.assert_allclose(
        value.predict(episodes.observations, returns, episodes.valid), [[20, 30]], rtol=1e-6
    )


def test_reset_forgets_the_past_and_draws_the_weights_from_the_seed():
    value = make_value(
        hidden_sizes=(4,), optimizer=keras.optimizers.Adam(0.1), normalize_targets=True
    )
    generator = np.random.default_rng(0)
    episodes = make_observed(generator.normal(size=(3, 4, 1)))
    returns = tf.constant(generator.normal(size=(3, 4)), tf.float32)

    def train(seed):
        value.reset(np.random.SeedSequence(seed))
        weights = value.network.get_weights()
        for _ in range(3):
            value.fit(episodes.observations, returns, episodes.valid)
        return weights[0], value.predict(episodes.observations, returns, episodes.valid)

    (initial, trained), again, other = train(5), train(5), train(6)
    np.testing.assert_array_equal(again[0], initial)
    np.testing.assert_array_equal(again[1], trained)
    assert not np.allclose(other[0], initial)
    assert np.abs(other[1] - trained).max() > 1e-6


def test_the_update_uses_the_value_before_it_is_fitted():
    # V = 0 before. With learning rate ½, V = G after one step: if V were fitted first, every
    # advantage would be 0.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.zeros((1, 2)), np.zeros(2)])
    value = make_value(optimizer=keras.optimizers.SGD(0.5))
    value.network.set_weights([np.zeros((1, 1)), np.zeros(1)])
    learner = make_learner(policy, keras.optimizers.SGD(1.0), baseline=value)
    # π = (½, ½), reward 8 for action 0 at observation 0: ĝ = 8 (½, −½) for the biases.
    episodes = make_episodes([[0]], [[0]], [[8]])
    statistics = learner.update(episodes)
    np.testing.assert_allclose(policy.network.get_weights()[1], [4, -4])
    np.testing.assert_allclose(
        value.predict(episodes.observations, learner.returns(episodes), episodes.valid), [[8]]
    )
    np.testing.assert_allclose(statistics.value_loss, 64)
    # Now V predicts the return exactly, so there is nothing left to learn.
    statistics = learner.update(episodes)
    np.testing.assert_allclose(policy.network.get_weights()[1], [4, -4])
    np.testing.assert_allclose([statistics.value_loss, statistics.gradient_norm], [0, 0])


def test_the_policy_loss_never_trains_the_value():
    policy = make_policy(spaces.Discrete(2), observation_size=3, hidden_sizes=(8,))
    value = make_value(3, (8,), keras.optimizers.SGD(0.0))
    learner = make_learner(policy, baseline=value, normalize_advantages=True)
    before = value.network.get_weights()
    learner.update(random_episodes(policy, 4, 5))
    for old, new in zip(before, value.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with tf.GradientTape() as tape:
        _, loss, *_ = learner.gradient(random_episodes(policy, 4, 5))
    assert tape.gradient(loss, value.variables) == [None] * len(value.variables)


def test_padding_changes_nothing():
    policy = make_policy(spaces.Discrete(2), observation_size=3, hidden_sizes=(8,))
    episodes = random_episodes(policy, num_episodes=4, num_steps=6)
    results = []
    for garbage in (0.0, 1e3):
        episodes.observations[~episodes.valid] = garbage
        episodes.rewards[~episodes.valid] = garbage
        value = make_value(3, (8,), steps_per_update=3, normalize_targets=True)
        learner = make_learner(policy, keras.optimizers.SGD(0.0), baseline=value)
        error = learner.update(episodes).value_loss
        results.append([error, *map(np.sum, value.network.get_weights())])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_minibatches_fit_it_to_steps_in_any_order():
    # Returns are 3 s − 1, which a linear V can represent. The same draws give identical results.
    generator = np.random.default_rng(0)
    observations = generator.normal(size=(500, 1)).astype(np.float32)
    returns = 3 * observations[:, 0] - 1
    first: list[float] = []
    second: list[float] = []
    for weights in (first, second):
        value = make_value()
        fit = compile_fit(value, num_minibatches=300, minibatch_size=16)
        fit(observations, returns, np.random.default_rng(1))
        weights += [float(np.squeeze(w)) for w in value.network.get_weights()]
    np.testing.assert_allclose(first, [3, -1], atol=1e-4)
    assert first == second


def test_minibatches_have_the_specified_number_and_size():
    # 30 minibatches are rounded up to 100. The running mean counts the 8 steps of each.
    value = make_value(normalize_targets=True)
    fit = compile_fit(value, num_minibatches=30, minibatch_size=8)
    fit(np.zeros((5, 1), np.float32), np.full(5, 7, np.float32), np.random.default_rng(0))
    assert float(value.targets.count.numpy()) == 100 * 8
    np.testing.assert_allclose(value.targets.mean, [7])
