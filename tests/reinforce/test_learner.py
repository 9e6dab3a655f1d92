"""One update: gradients, statistics, and resets."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from gymnasium import spaces

from models.normalization import RunningNormalization
from reinforce.baselines import BASELINES, BatchBaseline
from tests.reinforce.examples import (
    SEED,
    make_episodes,
    make_learner,
    make_policy,
    make_value,
    pad_with_garbage,
    random_episodes,
)


def test_gradient_of_a_softmax_policy_by_hand():
    # One observation x = 1, logits z = w x + b with w = (0.2, −0.1), b = 0:
    # π(0) = e^0.3 / (1 + e^0.3) = 0.574443. Episode 1 takes 0, then 1, rewards 1, 2, γ = 0.5:
    # G = (2, 2). Episode 2 takes 1, reward 4: G = 4.
    # ∇_z log π(a) = onehot(a) − π, so with Δ0 = (1 − π0, −π1), Δ1 = (−π0, 1 − π1)
    # ĝ = [2 Δ0 + 2 Δ1 + 4 Δ1] / 2, and the loss's gradient is −ĝ, the same for w (x = 1) and b.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.array([[0.2, -0.1]]), np.zeros(2)])
    episodes = make_episodes(
        [[1, 1], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    gradients, loss, *_ = make_learner(policy, gamma=0.5).gradient(episodes)
    p0 = np.exp(0.3) / (1 + np.exp(0.3))
    d0, d1 = np.array([1 - p0, p0 - 1]), np.array([-p0, p0])
    expected = -(2 * d0 + 6 * d1) / 2
    np.testing.assert_allclose(gradients[0], [expected], rtol=1e-5)
    np.testing.assert_allclose(gradients[1], expected, rtol=1e-5)
    np.testing.assert_allclose(loss, -(2 * np.log(p0) + 6 * np.log(1 - p0)) / 2, rtol=1e-5)


def test_gradient_of_a_normal_policy_by_hand():
    # μ = w x + b = 0.5 · 1, σ = 1. The sample 3 is outside the bounds ±1 but is scored unclipped:
    # ∂ log N / ∂μ = (a − μ) / σ² = 2.5 and ∂ log N / ∂ log σ = (a − μ)² / σ² − 1 = 5.25; G = 2.
    policy = make_policy(spaces.Box(-1, 1, (1,)))
    policy.network.set_weights([np.array([[0.5]]), np.zeros(1), np.zeros(1)])
    gradients, *_ = make_learner(policy).gradient(make_episodes([[1]], [[[3.0]]], [[2]]))
    actual = [float(tf.squeeze(gradient)) for gradient in gradients]
    np.testing.assert_allclose(actual, [-5, -5, -10.5], rtol=1e-5)


@pytest.mark.parametrize("action_space", [spaces.Discrete(3, start=2), spaces.Box(-1, 1, (2,))])
@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
@pytest.mark.parametrize("normalize", [False, True])
def test_padding_changes_nothing(action_space, baseline, normalize):
    policy = make_policy(action_space, observation_size=3, hidden_sizes=(8,))
    learner = make_learner(
        policy, baseline=baseline, normalize_advantages=normalize, entropy_coefficient=0.1
    )
    episodes = random_episodes(policy, num_episodes=4, num_steps=6)
    padded = learner.gradient(pad_with_garbage(episodes))
    for plain, other in zip(learner.gradient(episodes)[0], padded[0], strict=True):
        np.testing.assert_allclose(other, plain, rtol=1e-4, atol=1e-6)


def test_work_depends_on_the_env_steps_and_memory_on_the_chunk():
    # The batch has 21 valid steps among 2,000. The policy is called for 6 chunks of 4 steps.
    policy = make_policy(spaces.Discrete(2), observation_size=3)
    calls, outputs = [], policy.outputs

    def record_call(observations, training):
        calls.append((*observations.shape, training))
        return outputs(observations, training)

    policy.outputs = record_call
    valid = np.arange(1000) < np.array([[3], [18]])
    zeros = np.zeros((2, 1000))
    episodes = make_episodes(np.zeros((2, 1000, 3)), zeros.astype(int), zeros, valid)
    make_learner(policy, chunk_size=4).gradient(episodes)
    assert calls == [(1, 4, 3, True)] * 6


def test_an_update_raises_the_probability_of_what_was_rewarded():
    policy = make_policy(spaces.Discrete(2))
    learner = make_learner(policy)
    episodes = make_episodes([[1], [1]], [[0], [1]], [[0], [1]])
    before = learner.mean_distribution(episodes).numpy()
    np.testing.assert_allclose(learner.update(episodes).distribution, before)
    assert before[1] < learner.mean_distribution(episodes)[1]


def test_clipping_scales_the_gradient_and_reports_the_norm_before():
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.zeros((1, 2)), np.zeros(2)])
    learner = make_learner(policy, keras.optimizers.SGD(1.0), max_gradient_norm=0.5)
    # π = (½, ½), reward 8 for action 0: ĝ = 8 (½, −½) for w and b, with norm 8 · √(4 · ¼) = 8.
    statistics = learner.update(make_episodes([[1]], [[0]], [[8]]))
    np.testing.assert_allclose(statistics.gradient_norm, 8, rtol=1e-6)
    # The step has norm 0.5: each of its four components is ± 0.25.
    np.testing.assert_allclose(policy.network.get_weights()[1], [0.25, -0.25], rtol=1e-6)


def test_reset_forgets_the_past():
    policy = make_policy(spaces.Discrete(2), hidden_sizes=(4,))
    learner = make_learner(policy, keras.optimizers.Adam(0.1))
    weights = policy.network.get_weights()
    episodes = random_episodes(policy, 3, 4)

    def train():
        policy.network.set_weights(weights)
        learner.reset(SEED)
        for _ in range(3):
            learner.update(episodes)
        return policy.network.get_weights()

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_statistics_by_hand():
    # Episodes of 2 and 1 steps, γ = 0.5, rewards (1, 2) and (4): G_0 = 2 and 4, their mean 3.
    # Logits (0, x log 3). At x = 1, π = (¼, ¾) with entropy log 4 − ¾ log 3; at x = 0, (½, ½) with
    # entropy log 2. The padding also has x = 0, but only the 3 valid steps enter the means.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.array([[0, np.log(3)]]), np.zeros(2)])
    episodes = make_episodes(
        [[1, 0], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    learner = make_learner(policy, gamma=0.5)
    np.testing.assert_allclose(learner.mean_distribution(episodes), [1 / 3, 2 / 3], rtol=1e-6)
    statistics = learner.update(episodes)
    assert statistics.num_env_steps == 3
    np.testing.assert_allclose(statistics.mean_return, 3.5, rtol=1e-6)
    np.testing.assert_allclose(statistics.distribution, [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(statistics.objective, 3, rtol=1e-6)
    entropy = (2 * (np.log(4) - 0.75 * np.log(3)) + np.log(2)) / 3
    np.testing.assert_allclose(statistics.entropy, entropy, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Rewards (1, 2) and (4, 0), γ = 1: G = (3, 2) and (4, 0).
        ({"baseline": BASELINES["none"]}, [[3, 2], [4, 0]]),
        ({"baseline": BASELINES["leave_one_out"]}, [[3 - 4, 2 - 4], [4 - 3, 0 - 3]]),
        ({"baseline": BASELINES["per_step"]}, [[3 - 4, 2 - 0], [4 - 3, 0 - 2]]),
        # (−1, 2, 1, −2): mean 0, variance 10 / 4.
        (
            {"baseline": BASELINES["per_step"], "normalize_advantages": True},
            np.array([[-1, 2], [1, -2]]) / np.sqrt(2.5),
        ),
    ],
)
def test_advantages_by_hand(options, expected):
    learner = make_learner(make_policy(spaces.Discrete(2)), **options)
    episodes = make_episodes([[1, 1], [1, 1]], [[0, 0], [0, 0]], [[1, 2], [4, 0]])
    np.testing.assert_allclose(learner.advantages(episodes), expected, rtol=1e-6)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_a_baseline_with_one_number_per_episode_is_refused(num_steps):
    # Even with two steps, where [2] would be broadcast to [2, 2]: episodes would become steps.
    policy = make_policy(spaces.Discrete(2))
    baseline = BatchBaseline(lambda returns: returns[:, 0])
    learner = make_learner(policy, baseline=baseline)
    with pytest.raises(ValueError, match="invalid shape for `baseline`"):
        learner.advantages(random_episodes(policy, 2, num_steps))


def test_the_entropy_bonus_makes_the_policy_more_uniform():
    # No reward, logits (0, 1): only the bonus raises the logit of the less probable action.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.zeros((1, 2)), np.array([0.0, 1.0])])
    learner = make_learner(policy, entropy_coefficient=0.5)
    (_, bias), *_ = learner.gradient(make_episodes([[1]], [[0]], [[0]]))
    # ∂H/∂z_a = −π_a (log π_a + H); the loss is −0.5 H.
    probabilities = np.exp([0.0, 1.0]) / (1 + np.e)
    entropy = -np.sum(probabilities * np.log(probabilities))
    expected = 0.5 * probabilities * (np.log(probabilities) + entropy)
    np.testing.assert_allclose(bias, expected, rtol=1e-5)


def test_the_policys_distribution_is_tfps():
    policy = make_policy(spaces.Discrete(3), observation_size=2)
    distribution = policy.distribution(tf.zeros((4, 5, 2)))
    assert isinstance(distribution, tfp.distributions.Categorical)
    assert distribution.batch_shape == (4, 5)


def test_rewards_are_scaled_but_the_reported_objective_is_not():
    policy = make_policy(spaces.Discrete(2), observation_size=2)
    episodes = random_episodes(policy, 3, 4)
    plain, scaled = make_learner(policy), make_learner(policy, reward_scale=0.25)
    for one, other in zip(plain.gradient(episodes)[0], scaled.gradient(episodes)[0], strict=True):
        np.testing.assert_allclose(other, 0.25 * one, rtol=1e-5, atol=1e-7)
    expected = (episodes.rewards * episodes.valid).sum(axis=1).mean()
    np.testing.assert_allclose(scaled.update(episodes).objective, expected, rtol=1e-5)


def test_no_gradient_reaches_the_statistics():
    normalizer = RunningNormalization()
    policy = make_policy(spaces.Discrete(2), 2, (4,), normalizer)
    learner = make_learner(policy)
    assert not {v.path for v in learner.variables} & {v.path for v in normalizer.variables}
    assert len(learner.variables) == 4


def test_the_prediction_after_a_truncated_episode_is_added_by_hand():
    # γ = 0.5 and V(s) = 10 s. Of three episodes with rewards (1, 2), one is truncated before s = 3,
    # so that G = (1 + 0.5 G_1, 2 + 0.5 · 30); one reaches a terminal state, as the time limit may
    # coincide with it; one has a single step, truncated before s = 4.
    value = make_value()
    value.network.set_weights([np.array([[10.0]]), np.zeros(1)])
    learner = make_learner(
        make_policy(spaces.Discrete(2)), gamma=0.5, baseline=value, bootstrap_truncated=True
    )
    zeros = [[0, 0]] * 3
    episodes = make_episodes(zeros, zeros, [[1, 2]] * 3, [[True, True]] * 2 + [[True, False]])
    episodes = episodes._replace(
        truncated=np.array([[False, True], [False, True], [True, True]]),
        terminated=np.array([[False, False], [False, True], [False, False]]),
        final_observations=np.array([[3], [5], [4]], np.float32),
    )
    np.testing.assert_allclose(learner.returns(episodes), [[9.5, 17.0], [2.0, 2.0], [21.0, 0.0]])
