"""Exact means and variances of the gradient, compared with hand calculations and a slow loop."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from reinforce.baselines import BASELINES, BatchBaseline
from reinforce.exact.moments import (
    enumerate_episodes,
    estimator_moments,
    optimal_constant_baseline,
)
from reinforce.exact.tabular import softmax_policy
from tests.reinforce.exact.problems import (
    PROBLEMS,
    make_learner,
    one_logit_bandit,
    possible_episodes,
    random_mdp,
    random_theta,
    stop_or_go,
)


def moments(mdp, theta, learner, num_episodes):
    possible = possible_episodes(mdp, theta)
    return estimator_moments(possible, lambda e: learner.gradient(e)[0], num_episodes)


def constant(value):
    return BatchBaseline(lambda returns: value * tf.ones_like(returns))


def test_every_episode_is_enumerated_once():
    mdp = stop_or_go()
    probabilities, _, episodes = enumerate_episodes(
        mdp, softmax_policy(mdp.features, random_theta(mdp))
    )
    # From state 0 with k steps left: a0 ends, or goes to state 1; a1 stays. From state 1: a0 ends,
    # a1 goes to 0. f0(1) = 3, f1(1) = 2; f0(k) = 1 + f1(k−1) + f0(k−1) and f1(k) = 1 + f0(k−1):
    # f0(2) = 6, f1(2) = 4, f0(3) = 11, f1(3) = 7.
    assert len(probabilities) == 18
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-12)
    ends = episodes.terminated | episodes.truncated
    np.testing.assert_array_equal(np.argmax(ends, axis=1) + 1, episodes.num_steps)
    np.testing.assert_array_equal(ends.sum(axis=1), 1)
    assert not episodes.truncated[:, :2].any()
    rows = np.concatenate([episodes.actions, episodes.rewards, episodes.valid], axis=1)
    assert len(np.unique(rows, axis=0)) == 18


def test_probabilities_are_those_of_sampling():
    mdp = stop_or_go()
    policy = softmax_policy(mdp.features, random_theta(mdp))
    probabilities, states, episodes = enumerate_episodes(mdp, policy)
    # One episode: start in state 0 (0.7), action 0 to state 1 (0.6), there action 0 to the end (1).
    index = np.flatnonzero(
        (states[:, 0] == 0) & (episodes.actions[:, 0] == 0) & (states[:, 1] == 1)
        & (episodes.num_steps == 2)
    )  # fmt: skip
    p = policy.numpy()
    np.testing.assert_allclose(probabilities[index], [0.7 * p[0, 0] * 0.6 * p[1, 0] * 1.0])
    np.testing.assert_allclose(episodes.log_probs[index, :2], np.log([[p[0, 0], p[1, 0]]]))


def test_a_problem_without_a_horizon_is_refused():
    mdp = random_mdp(0, horizon=None)
    with pytest.raises(ValueError, match="Expected a problem with a horizon"):
        enumerate_episodes(mdp, softmax_policy(mdp.features, random_theta(mdp)))


def slow_moments(mdp, theta, gamma, baseline, normalize):
    """Compute mean and covariance of ½ Σ_i Σ_t ∇log π(a|s) A_t in loops over pairs of episodes."""
    policy = softmax_policy(mdp.features, theta).numpy()
    probabilities, states, episodes = enumerate_episodes(mdp, policy)
    lengths = episodes.num_steps
    returns = np.zeros((len(lengths), mdp.horizon))
    scores = np.zeros((len(lengths), mdp.horizon, mdp.features[0, 0].size))
    for n, length in enumerate(lengths):
        for t in range(length):
            returns[n, t] = sum(gamma ** (k - t) * episodes.rewards[n, k] for k in range(t, length))
            s, a = states[n, t], episodes.actions[n, t]
            scores[n, t] = mdp.features[s, a] - policy[s] @ mdp.features[s]
    mean, square = 0.0, 0.0
    for i, j in itertools.product(range(len(lengths)), repeat=2):
        steps = []
        for me, other in [(i, j), (j, i)]:
            for t in range(lengths[me]):
                b = {"none": 0, "leave_one_out": returns[other, 0], "per_step": returns[other, t]}
                steps.append((scores[me, t], returns[me, t] - b[baseline]))
        advantages = np.array([advantage for _, advantage in steps])
        if normalize:
            std = advantages.std()
            advantages = (advantages - advantages.mean()) / std if std > 1e-12 else 0 * advantages
        gradient = 0.5 * sum(score * a for (score, _), a in zip(steps, advantages, strict=True))
        mean += probabilities[i] * probabilities[j] * gradient
        square += probabilities[i] * probabilities[j] * np.outer(gradient, gradient)
    return mean, square - np.outer(mean, mean)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(
    ("aliased", "gamma", "normalize"), [(False, 0.7, False), (True, 1.0, False), (False, 1.0, True)]
)
def test_moments_against_a_slow_loop(aliased, gamma, normalize, baseline):
    mdp = stop_or_go(aliased)
    theta = random_theta(mdp)
    mean, covariance = slow_moments(mdp, theta, gamma, baseline, normalize)
    learner = make_learner(
        mdp, theta, gamma=gamma, baseline=BASELINES[baseline], normalize_advantages=normalize
    )
    actual = moments(mdp, theta, learner, num_episodes=2)
    np.testing.assert_allclose(actual.mean, -mean, atol=1e-10)
    np.testing.assert_allclose(actual.covariance, covariance, atol=1e-10)
    np.testing.assert_allclose(actual.variance, np.trace(covariance), atol=1e-10)


def test_variances_of_the_two_armed_bandit_by_hand():
    # One logit at 0: p = ½, scores ±½, ∇J = ¼ · 0.4 = 0.1.
    # none, one episode: E ĝ² = ¼ E R² = ¼ · ½ = 0.125, variance 0.115. Two episodes: half of it.
    # The constant ½: R − ½ = ±½, so ĝ² = 1/16 always; variance 0.0625 − 0.01, halved 0.02625.
    # leave_one_out, two episodes: ĝ = ½ (R1 − R2)(s1 − s2) is ±½ if the arms differ (½) and one of
    # them wins (0.7² + 0.3² = 0.58), else 0: E ĝ² = ¼ · 0.29 = 0.0725, variance 0.0625.
    # With two episodes, the other episode is such a noisy baseline that no baseline is better.
    mdp = one_logit_bandit()
    theta = tf.Variable([0.0], dtype=tf.float64)
    for baseline, num_episodes, expected in [
        ("none", 1, 0.115),
        ("none", 2, 0.0575),
        ("leave_one_out", 2, 0.0625),
        ("per_step", 2, 0.0625),
    ]:
        learner = make_learner(mdp, theta, baseline=BASELINES[baseline])
        actual = moments(mdp, theta, learner, num_episodes).variance
        np.testing.assert_allclose(actual, expected, rtol=1e-9)
    learner = make_learner(mdp, theta, baseline=constant(0.5))
    np.testing.assert_allclose(moments(mdp, theta, learner, 2).variance, 0.02625, rtol=1e-9)


def test_a_shift_of_all_rewards_costs_nothing_with_a_baseline():
    # Adding 10 to every reward does not change the problem, but without a baseline it increases the
    # variance.
    mdp = one_logit_bandit()
    theta = tf.Variable([0.5], dtype=tf.float64)
    without = make_learner(mdp, theta)
    with_baseline = make_learner(mdp, theta, baseline=BASELINES["per_step"])
    before = [moments(mdp, theta, learner, 2).variance for learner in (without, with_baseline)]
    shifted = replace(mdp, rewards=mdp.rewards + 10)
    after = [moments(shifted, theta, learner, 2).variance for learner in (without, with_baseline)]
    assert after[0] > 100 * before[0]
    np.testing.assert_allclose(after[1], before[1], rtol=1e-9)


@pytest.mark.parametrize(
    ("problem", "gamma"),
    [("three-armed bandit", 1.0), ("stop or go", 0.7), ("stop or go, aliased", 1.0)],
)
def test_no_constant_has_less_variance_than_the_optimal_one(problem, gamma):
    mdp = PROBLEMS[problem]()
    theta = random_theta(mdp)
    best = optimal_constant_baseline(
        mdp, lambda: softmax_policy(mdp.features, theta), [theta], gamma
    )

    def variance(b):
        learner = make_learner(mdp, theta, gamma=gamma, baseline=constant(b))
        return moments(mdp, theta, learner, num_episodes=1).variance

    least = variance(best)
    # The variance is a parabola in b. If it is larger on both sides, this is its minimum.
    assert min(variance(best - 0.01), variance(best + 0.01)) > least


def test_the_optimal_constant_of_two_arms_is_the_value_of_the_other_arm():
    # b = E[s² R] / E[s²] with s = 1 − p for B and −p for A (probabilities p and 1 − p):
    # [p (1 − p)² q_B + (1 − p) p² q_A] / [p (1 − p)² + (1 − p) p²] = (1 − p) q_B + p q_A.
    # This is not the mean reward p q_B + (1 − p) q_A (Dayan 1991).
    mdp = one_logit_bandit()
    theta = tf.Variable([1.0], dtype=tf.float64)
    p = 1 / (1 + np.exp(-1))
    best = optimal_constant_baseline(mdp, lambda: softmax_policy(mdp.features, theta), [theta], 1.0)
    np.testing.assert_allclose(best, (1 - p) * 0.7 + p * 0.3, rtol=1e-9)
