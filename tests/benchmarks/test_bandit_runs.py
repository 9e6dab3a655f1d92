"""Runs trained together match runs that the learner trains alone."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from benchmarks.bandit_runs import compile_runs, initial_kernels
from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from pipeline.build.learners import make_learner
from pipeline.task.schema import TrainParams
from reinforce.episodes import Episodes
from reinforce.signature import episodes_signature

ARMS = (0.3, 0.7)
NUM_RUNS, NUM_UPDATES = 1000, 60
RATE = 0.1


def fresh_policy(seed=0):
    """Make the policy of the task `bandit`, as `pipeline.build.policies` makes it."""
    head = make_head(spaces.Discrete(2))
    network = make_policy_network(1, (), "tanh", head, np.random.SeedSequence(seed))
    return Policy(network, head, observation_size=1)


def random_kernels():
    return np.random.default_rng(0).normal(scale=0.01, size=(NUM_RUNS, 1, 2)).astype(np.float32)


def train_alone(optimizer, kernels, actions, rewards):
    """Train runs one after another with `Learner`; return distributions `[U + 1, R, 2]`.

    Args:
        optimizer: Its name.
        kernels: Initial weights, `[R, 1, 2]`.
        actions: The arm of each update's only episode, `[U, R]`.
        rewards: Its reward, `[U, R]`.
    """
    policy = fresh_policy()
    train = TrainParams(
        num_episodes=NUM_UPDATES,
        episodes_per_update=1,
        gamma=1.0,
        optimizer=optimizer,
        learning_rate=RATE,
        baseline="none",
        normalize_advantages=False,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
    )
    learner = make_learner(train, policy)
    signature = [episodes_signature(policy)]
    update = tf.function(learner.update, input_signature=signature)
    mean_distribution = tf.function(learner.mean_distribution, input_signature=signature)
    distributions = []
    for run, kernel in enumerate(kernels):
        policy.network.set_weights([kernel, np.zeros(2)])
        episodes = [one_pull(*pull) for pull in zip(actions[:, run], rewards[:, run], strict=True)]
        learner.reset(np.random.SeedSequence(0))
        before = [update(pull).distribution for pull in episodes]
        distributions.append([*before, mean_distribution(episodes[0])])
    return np.stack(distributions, axis=1)


def one_pull(action, reward):
    return Episodes(
        observations=np.ones((1, 1, 1), np.float32),
        actions=np.array([[action]]),
        log_probs=np.zeros((1, 1), np.float32),  # the update computes its own
        rewards=np.array([[reward]]),
        terminated=np.array([[True]]),
        truncated=np.array([[False]]),
        valid=np.array([[True]]),
        final_observations=np.zeros((1, 1), np.float32),
    )


@pytest.fixture(scope="module", params=["adam", "sgd"])
def trained_runs(request):
    """Return the optimizer, the compiled training, and its runs at `RATE`."""
    run = compile_runs(ARMS, random_kernels(), request.param, NUM_UPDATES)
    return request.param, run, run(RATE)


def test_each_run_matches_the_learner_on_the_same_episodes(trained_runs):
    optimizer, _, runs = trained_runs
    assert runs.distributions.shape == (NUM_UPDATES + 1, NUM_RUNS, 2)
    rows = [0, 1, NUM_RUNS - 1]
    kernels = random_kernels()[rows]
    expected = train_alone(optimizer, kernels, runs.actions[:, rows], runs.rewards[:, rows])
    np.testing.assert_allclose(runs.distributions[:, rows], expected, rtol=0, atol=1e-6)
    assert (np.ptp(expected, axis=0) > 0.1).all()  # they have learned something


def test_another_learning_rate_leaves_nothing_behind(trained_runs):
    _, run, runs = trained_runs
    assert (run(0.01).distributions != runs.distributions).any()
    for first, again in zip(runs, run(RATE), strict=True):
        np.testing.assert_array_equal(again, first)


def test_arms_are_drawn_and_win_with_their_probabilities(trained_runs):
    _, _, runs = trained_runs
    # 60,000 draws with P(B) = p, of standard deviation √(Σ p (1 − p)) ≤ √(60,000 / 4) = 122.
    assert abs((runs.actions - runs.distributions[:-1, :, 1]).sum()) < 5 * 122
    for arm, probability in enumerate(ARMS):
        rewards = runs.rewards[runs.actions == arm]
        assert set(rewards) == {0, 1}
        # √(0.21 N) is the standard deviation of the number of wins in N pulls.
        assert abs(rewards.sum() - probability * len(rewards)) < 5 * np.sqrt(0.21 * len(rewards))


def test_runs_begin_as_fresh_policies_do():
    fresh_kernel, fresh_bias = fresh_policy(seed=3).network.get_weights()
    drawn = initial_kernels(4, 2)
    assert drawn.shape == (4, *fresh_kernel.shape)
    assert len(np.unique(drawn)) == drawn.size  # no two weights are equal
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=-1), np.linalg.norm(fresh_kernel))
    assert not fresh_bias.any()
