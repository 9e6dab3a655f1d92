"""The best policy of a run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from reinforce.baselines import BASELINES
from reinforce.best import BestPolicy, Z
from reinforce.sampling.compiled import CompiledSampler
from reinforce.schedule import UpdateSchedule
from reinforce.train import CompiledTrainer
from tests.reinforce.examples import SEED, make_environment, make_learner


def make_network():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


def judge_all(network, best, returns):
    """Judge policies 0, 1, … by their returns. All weights of a policy equal its number."""
    for number, episode_returns in enumerate(returns):
        network.set_weights([np.full(w.shape, number) for w in network.get_weights()])
        best.judge(tf.constant(episode_returns, tf.float32))


def find_best(returns, episodes_per_update=64):
    network = make_network()
    best = BestPolicy(network, episodes_per_update)
    judge_all(network, best, returns)
    best.restore()
    return best.kept_update, [float(np.unique(weight)[0]) for weight in network.get_weights()]


def scattered(mean, deviation):
    """Return 64 returns with this mean and sample standard deviation."""
    signs = np.resize([-1.0, 1.0], 64)
    return mean + deviation * np.sqrt(63 / 64) * signs


def test_the_best_policy_survives_a_later_collapse():
    assert find_best([scattered(m, 1) for m in (1, 5, 9, 2, 0)]) == (2, [2, 2])


def test_a_mean_of_scattered_returns_counts_for_less():
    # x̄ − z s / √64: 10 − 1.645 · 8 / 8 = 8.355, compared with 9 − 1.645 / 8 = 8.79.
    assert find_best([scattered(9, 1), scattered(10, 8)])[0] == 0
    # The two bounds are equal for a standard deviation of 8 / z + 1 = 5.863.
    assert find_best([scattered(9, 1), scattered(10, 8 / Z + 0.9)])[0] == 1
    assert find_best([scattered(9, 1), scattered(10, 8 / Z + 1.1)])[0] == 0


def test_of_equal_policies_the_latest_is_kept():
    assert find_best([scattered(500, 0)] * 4)[0] == 3


def test_few_episodes_are_judged_together_with_preceding_ones():
    # With 16 episodes per update, the last four updates count together. The single high mean in the
    # middle is not the best.
    means = [0, 0, 0, 0, 8, 0, 0, 0, 3, 3, 3, 3, 0]
    assert find_best([np.resize(scattered(m, 0.1), 16) for m in means], 16)[0] == 11


def test_without_enough_episodes_the_last_policy_stays():
    assert find_best([np.resize(scattered(m, 1), 16) for m in (5, 4, 3)], 16) == (None, [2, 2])


def test_reset_forgets_earlier_runs():
    network = make_network()
    best = BestPolicy(network, 64)
    judge_all(network, best, [scattered(100, 1)])
    best.reset()
    judge_all(network, best, [scattered(1, 1), scattered(2, 1), scattered(0, 1)])
    assert best.kept_update == 1


@pytest.mark.parametrize("num_updates", [3, 9])
def test_the_program_keeps_the_policy_that_sampled_the_best_episodes(num_updates):
    environment, policy = make_environment("CartPole-v1", max_episode_steps=100)
    best = BestPolicy(policy.network, 64)
    optimizer = keras.optimizers.Adam(0.05)
    learner = make_learner(policy, optimizer, baseline=BASELINES["per_step"], chunk_size=4)
    first = CompiledSampler(environment, policy, 64).sample(SEED)
    trainer = CompiledTrainer(learner, environment, 64, best=best)
    initial = policy.network.get_weights()
    seeds = [np.random.SeedSequence([7, update]) for update in range(64)]

    def train(num_updates):
        policy.network.set_weights(initial)
        trainer.reset(SEED)
        list(trainer.run(first, seeds.__getitem__, UpdateSchedule(np.full(num_updates, 0.05))))

    returns = []
    for count in range(1, num_updates + 1):
        train(count)
        assert trainer.last_episodes is not None
        returns.append(trainer.last_episodes.valid.numpy().sum(axis=1))  # rewards are 1
    best.restore()
    update = best.kept_update
    bounds = [r.mean() - Z * r.std(ddof=1) / 8 for r in returns]
    assert update == np.argmax(bounds)
    weights = policy.network.get_weights()
    policy.network.set_weights(initial)
    if update:
        train(update)
    for one, other in zip(weights, policy.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
