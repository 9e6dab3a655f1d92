"""Comparison of the baselines' gradients of the same batches."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from reinforce.baselines import BASELINES
from reinforce.episodes import Episodes
from reinforce.exact.moments import enumerate_episodes, estimator_moments
from reinforce.noise.compare import COMPARED, compare_baselines, compile_comparison, probe
from reinforce.noise.estimate import measure_noise
from tests.reinforce.exact.problems import one_logit_bandit
from tests.reinforce.examples import (
    make_episodes,
    make_learner,
    make_policy,
    make_value,
    pad_with_garbage,
    random_episodes,
)


def linear_value(slope, intercept):
    value = make_value()
    value.network.set_weights([np.array([[slope]]), np.array([intercept])])
    return value


@pytest.mark.parametrize("action_space", [spaces.Discrete(3, start=2), spaces.Box(-1, 1, (2,))])
def test_each_gradient_equals_the_learners(action_space):
    policy = make_policy(action_space, observation_size=3, hidden_sizes=(8,))
    episodes = random_episodes(policy, num_episodes=5, num_steps=10)
    value = make_value(3, (8,), chunk_size=4)
    options = {"gamma": 0.9, "reward_scale": 0.5, "chunk_size": 4}
    actual = compare_baselines(make_learner(policy, **options), value, episodes).gradients
    for name, gradient in zip(COMPARED, actual, strict=True):
        baseline = value if name == "value" else BASELINES[name]
        parts = make_learner(policy, baseline=baseline, **options).gradient(episodes).gradients
        expected = np.concatenate([np.ravel(part) for part in parts])
        tolerance = 1e-6 * float(np.linalg.norm(expected))
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance)


def test_padding_changes_nothing():
    policy = make_policy(spaces.Discrete(3), observation_size=3, hidden_sizes=(8,))
    learner, value = make_learner(policy, chunk_size=4), make_value(3, (8,), chunk_size=4)
    episodes = random_episodes(policy, num_episodes=4, num_steps=6)
    padded = pad_with_garbage(episodes)
    for plain, other in zip(
        compare_baselines(learner, value, episodes),
        compare_baselines(learner, value, padded),
        strict=True,
    ):
        np.testing.assert_allclose(other, plain, rtol=1e-4, atol=1e-6)


# The chapter's bandit ---------------------------------------------------------------------------


def bandit_learner_and_value():
    """Return every episode of two arms with 30% and 70%, a uniform policy, and V = ½.

    The policy observes 0, so its logits are its biases.
    """
    mdp = replace(one_logit_bandit(), features=np.zeros((3, 1)))
    possible = enumerate_episodes(mdp, np.full((3, 2), 0.5))
    singles = [v.astype(np.float32) if v.dtype == np.float64 else v for v in possible.episodes]
    learner = make_learner(make_policy(spaces.Discrete(2)), chunk_size=1)
    learner.policy.network.set_weights([np.zeros((1, 2)), np.zeros(2)])
    return possible._replace(episodes=Episodes(*singles)), learner, linear_value(0.0, 0.5)


# With two logits, each variance is twice that with one (`test_moments.py`): 2 · 0.0575 without a
# baseline, 2 · 0.0625 with the other episode's return, and 2 · 0.02625 with the constant ½.
# ‖∇J‖² = 2 · 0.1².
VARIANCES = {"none": 0.115, "leave_one_out": 0.125, "per_step": 0.125, "value": 0.0525}


@pytest.mark.parametrize("baseline", COMPARED)
def test_exact_moments_on_the_bandit(baseline):
    possible, learner, value = bandit_learner_and_value()
    row = COMPARED.index(baseline)

    def estimator(episodes):
        return [compare_baselines(learner, value, episodes).gradients[row]]

    actual = estimator_moments(possible, estimator, num_episodes=2)
    np.testing.assert_allclose(actual.variance, VARIANCES[baseline], rtol=1e-5)
    np.testing.assert_allclose((actual.mean**2).sum(), 0.02, rtol=1e-5)


def test_measurements_on_the_bandit_agree_with_the_exact_moments():
    possible, learner, value = bandit_learner_and_value()
    generator = np.random.default_rng(0)
    drawn = generator.choice(len(possible.probabilities), (400, 2), p=possible.probabilities)
    batches = (Episodes(*(values[pair] for values in possible.episodes)) for pair in drawn)
    gram, explained = probe(compile_comparison(learner, value), batches)
    measured = measure_noise(
        gram[:, np.newaxis],
        num_resamples=1000,
        confidence=0.95,
        generator=generator,
    )
    for baseline, noise in zip(COMPARED, measured, strict=True):
        variance = VARIANCES[baseline]
        # Without a baseline, the true squared ratio is 0.02 / 0.115; `num_batches_for_1` is its
        # inverse.
        for estimate, truth in [
            (noise.squared_norm, 0.02),
            (noise.total_variance, variance),
            (noise.relative_variance, variance / 0.115),
            (noise.signal_to_noise, np.sqrt(0.02 / variance)),
            (noise.num_batches_for_1, variance / 0.02),
        ]:
            assert estimate.low <= truth <= estimate.high, (baseline, noise)
            assert estimate.high - estimate.low < 2 * truth
    # Returns are 0 or 1, equally often: Var G = ¼, E G² = ½, E (G − G')² = ½, E (G − ½)² = ¼. From
    # 800 episodes, p is known within 4 · 0.018, and 1 − 1 / (1 − p), the explained variance of
    # `none`, within 4 times that.
    np.testing.assert_allclose(explained, [-1, -1, -1, 0], atol=0.28)


# Explained variance -----------------------------------------------------------------------------


def test_explained_variance_by_hand():
    # Returns 0 and 2 have variance 1. Mean squared advantages: none, (0 + 4) / 2 = 2; the other
    # episode's return, (4 + 4) / 2 = 4; V = s with s = 0 and 2, 0.
    policy = make_policy(spaces.Discrete(2))
    compare = compile_comparison(make_learner(policy, chunk_size=1), linear_value(1.0, 0.0))
    episodes = make_episodes([[0], [2]], [[0], [1]], [[0], [2]])
    explained = probe(compare, [episodes] * 2).explained_variance
    np.testing.assert_allclose(explained, [-1, -3, -3, 1], atol=1e-6)
    # Returns far from 0: E G² and (E G)² agree in all digits of float32.
    far = make_episodes([[0], [2]], [[0], [1]], [[10_000], [10_002]])
    explained = probe(compare, [far] * 2).explained_variance
    np.testing.assert_allclose(explained[1:3], -3, atol=1e-6)
    for reward in (0, 0.1, 10_000.1):
        equal = make_episodes([[0], [2]] * 3, [[0], [1]] * 3, [[reward]] * 6)
        assert np.isnan(probe(compare, [equal]).explained_variance).all()


def test_gradients_that_are_not_finite_are_refused():
    policy = make_policy(spaces.Discrete(2))
    compare = compile_comparison(make_learner(policy, chunk_size=1), linear_value(1.0, 0.0))
    episodes = make_episodes([[0], [2]], [[0], [1]], [[0], [np.inf]])
    with pytest.raises(FloatingPointError, match="the gradients are not finite"):
        probe(compare, [episodes])


def test_one_trace_for_all_shapes():
    policy = make_policy(spaces.Discrete(2), observation_size=3)
    compare = compile_comparison(make_learner(policy), make_value(3, chunk_size=32))
    for num_episodes, num_steps in [(2, 1), (2, 40), (5, 7)]:
        compare(random_episodes(policy, num_episodes, num_steps))
    assert isinstance(compare, tf.types.experimental.PolymorphicFunction)
    assert compare.experimental_get_tracing_count() == 1
