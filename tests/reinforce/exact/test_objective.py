"""Exact objectives and gradients, compared with autodiff, enumeration and known results."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reinforce.exact.moments import enumerate_episodes
from reinforce.exact.objective import action_values, objective, policy_gradient, visits
from reinforce.exact.tabular import TabularMDP, bandit, softmax_policy
from tests.reinforce.exact.problems import one_logit_bandit, random_mdp, random_theta, stop_or_go


def differentiate_objective(mdp, policy, variables, gamma):
    with tf.GradientTape() as tape:
        value = objective(mdp, policy(), gamma)
    return tape.gradient(value, variables)


def softmax(mdp, theta):
    return lambda: softmax_policy(mdp.features, theta)


@pytest.mark.parametrize("gamma", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("horizon", [1, 2, 7, None])
@pytest.mark.parametrize("seed", range(3))
def test_the_policy_gradient_theorem(seed, horizon, gamma):
    # The theorem differentiates neither visits nor values; autodiff of J differentiates both.
    mdp = random_mdp(seed, horizon)
    theta = random_theta(mdp)
    policy = softmax(mdp, theta)
    (actual,) = policy_gradient(mdp, policy, [theta], gamma)
    (expected,) = differentiate_objective(mdp, policy, [theta], gamma)
    assert actual.dtype == tf.float64
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def test_the_theorem_holds_for_a_network():
    mdp = random_mdp(0, horizon=4)
    network = keras.Sequential(
        [
            keras.Input((12,), dtype="float64"),
            keras.layers.Dense(5, activation="tanh", dtype="float64"),
            keras.layers.Dense(3, activation="softmax", dtype="float64"),
        ]
    )
    variables = network.trainable_variables

    def policy():
        return network(mdp.features.reshape(4, 12))

    for actual, expected in zip(
        policy_gradient(mdp, policy, variables, 0.9),
        differentiate_objective(mdp, policy, variables, 0.9),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_the_objective_is_the_mean_discounted_return_of_all_episodes(gamma):
    mdp = stop_or_go()
    policy = softmax_policy(mdp.features, random_theta(mdp))
    probabilities, _, episodes = enumerate_episodes(mdp, policy)
    returns = (gamma ** np.arange(3) * episodes.rewards).sum(axis=1)
    np.testing.assert_allclose(objective(mdp, policy, gamma), probabilities @ returns, rtol=1e-12)


def test_no_horizon_is_the_limit_of_long_horizons():
    endless, long = random_mdp(0, horizon=None), random_mdp(0, horizon=400)
    policy = softmax_policy(endless.features, random_theta(endless))
    np.testing.assert_allclose(
        action_values(endless, policy, 1)[0], action_values(long, policy, 1)[0], rtol=1e-9
    )
    np.testing.assert_allclose(
        visits(endless, policy, 1)[0], np.sum(visits(long, policy, 1), axis=0), rtol=1e-9
    )


def test_visits_count_only_running_episodes():
    # Episodes start in state 0 (probability 0.7) or state 1 (0.3), and both actions are equally
    # probable. After one step, state 0 is reached by action 1, with probability 0.5, and state 1 by
    # action 0 in state 0, with probability 0.7 · 0.5 · 0.6 = 0.21.
    mdp = stop_or_go()
    policy = tf.fill([3, 2], tf.constant(0.5, tf.float64))
    np.testing.assert_allclose(visits(mdp, policy, 1)[0], [0.7, 0.3, 0])
    np.testing.assert_allclose(visits(mdp, policy, 1)[1, :2], [0.5, 0.21])
    np.testing.assert_allclose(visits(mdp, policy, 0.9)[1, :2], [0.45, 0.189])


def test_the_gradient_of_a_two_armed_bandit_with_one_logit():
    # π(B) = p = 1 / (1 + e^−θ), J = p q_B + (1 − p) q_A, dp/dθ = p (1 − p).
    mdp = one_logit_bandit()
    for logit in [-3.0, 0.0, 0.4, 5.0]:
        theta = tf.Variable([logit], dtype=tf.float64)
        p = 1 / (1 + np.exp(-logit))
        (gradient,) = policy_gradient(mdp, softmax(mdp, theta), [theta], 1.0)
        np.testing.assert_allclose(gradient, [p * (1 - p) * (0.7 - 0.3)], rtol=1e-12)


def short_corridor():
    """Create the short corridor: in the middle one of three states, the moves are swapped.

    The reward is −1 for each step until the end. All states have the same features:
    x(s, right) = (1, 0) and x(s, left) = (0, 1).

    Source: Sutton & Barto (2018), example 13.1.
    """
    right, left = [1, 0, 3, 3], [0, 2, 1, 3]  # the next state from each
    return TabularMDP(
        start=np.eye(4)[0],
        transitions=np.stack([np.eye(4)[right], np.eye(4)[left]], axis=1),
        rewards=np.full((4, 2, 4), -1.0),
        terminal=np.array([False, False, False, True]),
        features=np.tile(np.eye(2), (4, 1, 1)),
        horizon=None,
    )


def corridor_gradient(p):
    """Return the objective and its derivative by the logit of going right, at π(right) = p."""
    mdp = short_corridor()
    theta = tf.Variable(np.log([p, 1 - p]))
    (gradient,) = policy_gradient(mdp, softmax(mdp, theta), [theta], 1.0)
    return float(objective(mdp, softmax_policy(mdp.features, theta), 1.0)), float(gradient[0])


def test_the_short_corridor():
    # With v_i the value of state i, counted from 1, and p = π(right):
    #     v1 = −1 + p v2 + (1 − p) v1,   v2 = −1 + p v1 + (1 − p) v3,   v3 = −1 + (1 − p) v2.
    # The first equation gives v2 = v1 + 1/p. The third inserted into the second gives
    # v2 = −1 + p v1 − (1 − p) + (1 − p)² v2. Hence J = v1 = (2p − 4) / (p (1 − p)). Its derivative
    # is 0 if p² − 4p + 2 = 0, which holds at p = 2 − √2. There
    # J = −2√2 / ((2 − √2)(√2 − 1)) = −2√2 / (3√2 − 4) = −6 − 4√2.
    for p in [0.05, 0.3, 0.95]:
        np.testing.assert_allclose(corridor_gradient(p)[0], (2 * p - 4) / (p * (1 - p)), rtol=1e-9)
    best = 2 - np.sqrt(2)
    value, slope = corridor_gradient(best)
    np.testing.assert_allclose(value, -6 - 4 * np.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    assert corridor_gradient(best - 0.01)[1] > 0 > corridor_gradient(best + 0.01)[1]


def test_a_policy_whose_episodes_never_end_has_no_objective():
    mdp = short_corridor()
    always_left = tf.constant([[0.0, 1.0]] * 4, tf.float64)
    with pytest.raises(tf.errors.InvalidArgumentError):
        objective(mdp, always_left, 1.0)
    np.testing.assert_allclose(objective(mdp, always_left, 0.5), -2)


def test_inconsistent_tables_are_refused():
    good = stop_or_go()
    tables: list[tuple[dict[str, Any], str]] = [
        ({"start": np.ones(2)}, r"Expected `start` of shape \(3,\)\. Received: \(2,\)"),
        ({"rewards": np.zeros((3, 2))}, r"Expected `rewards` of shape \(3, 2, 3\)"),
        ({"features": np.zeros((2, 2))}, r"Expected `features` of 3 states\. Received: 2"),
        ({"start": np.array([0.7, 0.2, 0])}, "Expected `start` to be probabilities that sum to 1"),
        ({"start": np.array([0.7, 0, 0.3])}, "Expected `start` to be 0 in terminal states"),
        ({"transitions": good.transitions * 2}, "Expected `transitions` to be probabilities"),
    ]
    for changed, message in tables:
        with pytest.raises(ValueError, match=message):
            replace(good, **changed)


def test_a_bandit_has_one_logit_per_arm():
    mdp = bandit(np.array([0.0, 2.0]), np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]]))
    policy = softmax_policy(mdp.features, tf.constant([0.0, np.log(2), 0.0], tf.float64))
    np.testing.assert_allclose(policy[0], [0.25, 0.5, 0.25])
    np.testing.assert_allclose(objective(mdp, policy, 1.0), 0.25 * 1 + 0.5 * 1.5)
