"""The compiled bandit."""

import functools

import gymnasium
import pytest
import tensorflow as tf
from scipy import stats

from environments.checker import check_steps, collect
from environments.compiled.bandit import CompiledBandit
from tests.environments.compiled.references import make, next_draw, seeded

NUM_PULLS = 100_000


def test_wins_have_the_right_frequency():
    probabilities, payouts = [0.3, 0.7, 0, 1], [1, 2, 3, -4]
    bandit = make("Bandit-v0", probabilities=probabilities, payouts=payouts)

    @tf.function(jit_compile=True, autograph=False)
    def pull(seed, arm):
        _, rewards, terminated = bandit.step(
            bandit.reset(NUM_PULLS, seed), tf.fill([NUM_PULLS], arm)
        )
        return rewards, terminated

    for arm, (probability, payout) in enumerate(zip(probabilities, payouts, strict=True)):
        rewards, terminated = pull(seeded(arm), tf.constant(arm, tf.int64))
        num_wins = int((rewards.numpy() == payout).sum())
        assert num_wins + int((rewards.numpy() == 0).sum()) == NUM_PULLS
        # Independent pulls follow Binomial(100,000, p). The interval has probability 1 − 10⁻⁶. For
        # p = 0.3 the standard deviation is √(100,000 · 0.21) = 145, and the interval 30,000 ± 709.
        low, high = stats.binom.interval(1 - 1e-6, NUM_PULLS, probability)
        assert low <= num_wins <= high
        assert terminated.numpy().all()


@functools.cache
def pulls():
    env = gymnasium.make("Bandit-v0", payouts=[1, 2])
    return collect(env, next_draw, 2000, max_episode_steps=1, seed=0)


def test_other_payouts():
    check_steps(make("Bandit-v0", payouts=[1, 2]), pulls())


@pytest.mark.parametrize(
    "kwargs",
    [
        {"probabilities": [0.7, 0.3], "payouts": [1, 2]},
        {"probabilities": [0.3, 0.72], "payouts": [1, 2]},
        {"probabilities": [0.3, 0.7], "payouts": [2, 1]},
        {"probabilities": [0.3, 0.7]},
    ],
)
def test_another_bandit_is_detected(kwargs):
    with pytest.raises(AssertionError, match=r"Step \d+, reward: expected"):
        check_steps(make("Bandit-v0", **kwargs), pulls())


def test_mistakes_are_named_as_in_gymnasium():
    with pytest.raises(ValueError, match="`probabilities`, expected numbers between 0 and 1"):
        CompiledBandit(probabilities=[2])
    with pytest.raises(ValueError, match="expected 2 finite numbers"):
        CompiledBandit(payouts=[1])
