"""The compiled update."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from gymnasium import spaces

from models.heads import make_head
from models.network import make_policy_network, make_value_network
from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.reinforce.best import BestPolicy
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner
from pipeline.reinforce.value import ValueBaseline

DEFAULTS: dict[str, Any] = {
    "gamma": 1.0,
    "baseline": "none",
    "normalize_advantages": False,
    "entropy_coefficient": 0.0,
    "max_gradient_norm": None,
}


def make_policy(action_space, observation_size=1, hidden_sizes=()):
    head = make_head(action_space)
    seed = np.random.SeedSequence(0)
    network = make_policy_network(observation_size, hidden_sizes, "tanh", head, seed)
    return Policy(network, head, observation_size)


def make_learner(policy, optimizer=None, **changed):
    return Learner(policy, optimizer or keras.optimizers.SGD(0.1), **(DEFAULTS | changed))


def make_episodes(observations, actions, rewards, valid=None):
    """Episodes of nested lists, `[B, T, …]`."""
    rewards = np.array(rewards, np.float32)
    observations, actions = np.array(observations, np.float32), np.array(actions)
    return Episodes(
        observations=observations.reshape(*rewards.shape, -1),
        actions=actions.astype(np.float32) if actions.dtype == np.float64 else actions,
        log_probs=np.zeros_like(rewards),
        rewards=rewards,
        terminated=np.zeros(rewards.shape, bool),
        truncated=np.zeros(rewards.shape, bool),
        valid=np.ones(rewards.shape, bool) if valid is None else np.array(valid),
    )


def random_episodes(policy, num_episodes, num_steps, seed=0):
    generator = np.random.default_rng(seed)
    valid = np.arange(num_steps) < generator.integers(1, num_steps + 1, num_episodes)[:, None]
    valid[0] = True
    shape = (num_episodes, num_steps)
    head = policy.head
    if head.action_dtype == tf.int64:
        actions = generator.integers(head.start, head.start + head.num_actions, shape)
    else:
        actions = generator.normal(size=(*shape, *head.action_shape)).astype(np.float32)
    observations = generator.normal(size=(*shape, policy.observation_size))
    rewards = generator.normal(size=shape)
    return make_episodes(observations, actions, rewards, valid)


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
    # μ = w x + b = 0.5 · 1, σ = 1; the sample 3 lies outside the bounds ±1 and is scored as it is:
    # ∂ log N / ∂μ = (a − μ) / σ² = 2.5 and ∂ log N / ∂ log σ = (a − μ)² / σ² − 1 = 5.25; G = 2.
    policy = make_policy(spaces.Box(-1, 1, (1,)))
    policy.network.set_weights([np.array([[0.5]]), np.zeros(1), np.zeros(1)])
    gradients, *_ = make_learner(policy).gradient(make_episodes([[1]], [[[3.0]]], [[2]]))
    actual = [float(tf.squeeze(gradient)) for gradient in gradients]
    np.testing.assert_allclose(actual, [-5, -5, -10.5], rtol=1e-5)


@pytest.mark.parametrize("action_space", [spaces.Discrete(3, start=2), spaces.Box(-1, 1, (2,))])
@pytest.mark.parametrize("baseline", ["none", "leave_one_out", "per_step"])
@pytest.mark.parametrize("normalize", [False, True])
def test_padding_changes_nothing(action_space, baseline, normalize):
    policy = make_policy(action_space, observation_size=3, hidden_sizes=(8,))
    learner = make_learner(
        policy, baseline=baseline, normalize_advantages=normalize, entropy_coefficient=0.1
    )
    episodes = random_episodes(policy, num_episodes=4, num_steps=6)
    padded = Episodes(*(np.pad(v, [(0, 0), (0, 5)] + [(0, 0)] * (v.ndim - 2)) for v in episodes))
    padded.rewards[~padded.valid] = 1e3
    padded.observations[~padded.valid] = -7
    for plain, other in zip(
        learner.gradient(episodes)[0], learner.gradient(padded)[0], strict=True
    ):
        np.testing.assert_allclose(other, plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("baseline", ["per_step", "value"])
def test_how_steps_are_divided_into_chunks_changes_nothing(baseline):
    results = []
    for chunk_size in (1, 4, 7, 64):
        policy = make_policy(spaces.Discrete(3), observation_size=3, hidden_sizes=(8,))
        normalizer = RunningNormalization()
        normalizer.build((None, 3))
        judge = baseline
        if baseline == "value":
            network = make_value_network(3, (8,), "tanh", np.random.SeedSequence(1), normalizer)
            judge = ValueBaseline(
                network,
                keras.optimizers.Adam(0.1),
                steps_per_update=3,
                normalize_targets=True,
                chunk_size=chunk_size,
            )
        learner = make_learner(
            policy,
            baseline=judge,
            entropy_coefficient=0.1,
            chunk_size=chunk_size,
            normalizer=normalizer,
        )
        episodes = random_episodes(policy, num_episodes=4, num_steps=10)
        statistics = learner.update(episodes)
        second = learner.update(episodes)
        results.append([*statistics, *second, *normalizer.variables, *learner.variables])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_work_follows_the_env_steps_and_memory_the_chunk():
    # Counts what the policy is asked: 6 chunks of 4 steps for 21 steps, though 2,000 are there.
    policy = make_policy(spaces.Discrete(2), observation_size=3)
    seen, outputs = [], policy.outputs

    def counted(observations, training):
        seen.append((*observations.shape, training))
        return outputs(observations, training)

    policy.outputs = counted
    valid = np.arange(1000) < np.array([[3], [18]])
    zeros = np.zeros((2, 1000))
    episodes = make_episodes(np.zeros((2, 1000, 3)), zeros.astype(int), zeros, valid)
    make_learner(policy, chunk_size=4).gradient(episodes)
    assert seen == [(1, 4, 3, True)] * 6


def test_one_trace_for_all_shapes_and_runs():
    policy = make_policy(spaces.Discrete(2), observation_size=3, hidden_sizes=(8,))
    learner = make_learner(policy, baseline="per_step", normalize_advantages=True)
    for num_episodes, num_steps in [(2, 1), (2, 7), (5, 7), (3, 300), (16, 2)]:
        learner.update(random_episodes(policy, num_episodes, num_steps))
    learner.reset()
    learner.update(random_episodes(policy, 2, 9))
    assert learner.update.experimental_get_tracing_count() == 1


def test_the_update_names_no_device_and_needs_no_host():
    policy = make_policy(spaces.Box(-1, 1, (2,)), observation_size=3, hidden_sizes=(8,))
    learner = make_learner(policy, baseline="per_step", normalize_advantages=True)
    graph = learner.update.get_concrete_function().graph
    functions = graph.as_graph_def().library.function
    nodes = [*graph.as_graph_def().node, *(node for f in functions for node in f.node_def)]
    assert {node.device for node in nodes} == {""}
    host_only = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Print", "PrintV2", "Assert"}
    assert not {node.op for node in nodes} & host_only


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
    # π = (½, ½), reward 8 for action 0: ĝ = 8 (½, −½) for w and for b, of norm 8 · √(4 · ¼) = 8.
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
        learner.reset()
        for _ in range(3):
            learner.update(episodes)
        return policy.network.get_weights()

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_statistics_by_hand():
    # Episodes of 2 and 1 steps, γ = 0.5, rewards (1, 2) and (4): G_0 = 2 and 4, their mean 3.
    # Logits (0, x log 3) at x = 1: π = (¼, ¾), of entropy log 4 − ¾ log 3; at x = 0: (½, ½), of
    # entropy log 2. The padding, where x = 0 too, does not enter the means over the 3 valid steps.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.array([[0, np.log(3)]]), np.zeros(2)])
    episodes = make_episodes(
        [[1, 0], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    best = BestPolicy(policy.network, episodes_per_update=2)
    learner = make_learner(policy, gamma=0.5, best=best)
    np.testing.assert_allclose(learner.mean_distribution(episodes), [1 / 3, 2 / 3], rtol=1e-6)
    statistics = learner.update(episodes)
    assert statistics.num_env_steps == 3
    np.testing.assert_allclose(statistics.mean_return, 3.5, rtol=1e-6)
    np.testing.assert_allclose(statistics.distribution, [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(statistics.objective, 3, rtol=1e-6)
    entropy = (2 * (np.log(4) - 0.75 * np.log(3)) + np.log(2)) / 3
    np.testing.assert_allclose(statistics.entropy, entropy, rtol=1e-6)
    recent_returns = best.variables[0]
    np.testing.assert_allclose(recent_returns[-1], [3, 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Rewards (1, 2) and (4, 0), γ = 1: G = (3, 2) and (4, 0).
        ({"baseline": "none"}, [[3, 2], [4, 0]]),
        ({"baseline": "leave_one_out"}, [[3 - 4, 2 - 4], [4 - 3, 0 - 3]]),
        ({"baseline": "per_step"}, [[3 - 4, 2 - 0], [4 - 3, 0 - 2]]),
        # (−1, 2, 1, −2): mean 0, variance 10 / 4.
        (
            {"baseline": "per_step", "normalize_advantages": True},
            np.array([[-1, 2], [1, -2]]) / np.sqrt(2.5),
        ),
    ],
)
def test_advantages_by_hand(options, expected):
    learner = make_learner(make_policy(spaces.Discrete(2)), **options)
    episodes = make_episodes([[1, 1], [1, 1]], [[0, 0], [0, 0]], [[1, 2], [4, 0]])
    np.testing.assert_allclose(learner.advantages(episodes), expected, rtol=1e-6)


def test_the_entropy_bonus_draws_the_policy_towards_indifference():
    # No reward, logits (0, 1): the bonus alone raises the logit of the less probable action.
    policy = make_policy(spaces.Discrete(2))
    policy.network.set_weights([np.zeros((1, 2)), np.array([0.0, 1.0])])
    learner = make_learner(policy, entropy_coefficient=0.5)
    (_, bias), *_ = learner.gradient(make_episodes([[1]], [[0]], [[0]]))
    # ∂H/∂z_a = −π_a (log π_a + H); the loss is −0.5 H.
    probabilities = np.exp([0.0, 1.0]) / (1 + np.e)
    entropy = -np.sum(probabilities * np.log(probabilities))
    expected = 0.5 * probabilities * (np.log(probabilities) + entropy)
    np.testing.assert_allclose(bias, expected, rtol=1e-5)


def test_the_policy_scores_with_tfp():
    policy = make_policy(spaces.Discrete(3), observation_size=2)
    distribution = policy.distribution(tf.zeros((4, 5, 2)))
    assert isinstance(distribution, tfp.distributions.Categorical)
    assert distribution.batch_shape == (4, 5)


def test_rewards_are_scaled_but_the_objective_is_reported_as_it_is():
    policy = make_policy(spaces.Discrete(2), observation_size=2)
    episodes = random_episodes(policy, 3, 4)
    plain, scaled = make_learner(policy), make_learner(policy, reward_scale=0.25)
    for one, other in zip(plain.gradient(episodes)[0], scaled.gradient(episodes)[0], strict=True):
        np.testing.assert_allclose(other, 0.25 * one, rtol=1e-5, atol=1e-7)
    expected = (episodes.rewards * episodes.valid).sum(axis=1).mean()
    np.testing.assert_allclose(scaled.update(episodes).objective, expected, rtol=1e-5)


def make_normalizing_policy():
    head = make_head(spaces.Discrete(2))
    normalizer = RunningNormalization()
    seed = np.random.SeedSequence(0)
    network = make_policy_network(2, (4,), "tanh", head, seed, normalizer)
    return Policy(network, head, 2), normalizer


def test_statistics_of_observations_stand_still_until_the_batch_has_been_learnt_from():
    policy, normalizer = make_normalizing_policy()
    plain = make_policy(spaces.Discrete(2), observation_size=2, hidden_sizes=(4,))
    learner = make_learner(policy, keras.optimizers.SGD(0.0), normalizer=normalizer)
    first, second = random_episodes(policy, 3, 4), random_episodes(policy, 3, 5, seed=1)
    # The first update is that of a policy that sees observations as they are.
    expected = make_learner(plain).gradient(first)[0]
    actual = learner.gradient(first)[0]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    learner.update(first)
    seen = first.observations[first.valid]
    np.testing.assert_allclose(normalizer.mean, seen.mean(axis=0), rtol=1e-5)
    # The second one is that of a policy which sees them by the first batch's statistics.
    normalized = (second.observations - seen.mean(axis=0)) / seen.std(axis=0)
    expected = make_learner(plain).gradient(second._replace(observations=normalized))[0]
    for one, other in zip(learner.gradient(second)[0], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    learner.update(second)
    seen = np.concatenate([seen, second.observations[second.valid]])
    np.testing.assert_allclose(normalizer.mean, seen.mean(axis=0), rtol=1e-5)


def test_no_gradient_reaches_the_statistics():
    policy, normalizer = make_normalizing_policy()
    learner = make_learner(policy, normalizer=normalizer)
    assert not {v.path for v in learner.variables} & {v.path for v in normalizer.variables}
    assert len(learner.variables) == 4
