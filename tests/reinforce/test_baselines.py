"""Baselines, compared with numbers worked out by hand, and their common protocol."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from reinforce.baselines import BASELINES, Baseline, leave_one_out, none, per_step
from reinforce.sampling.compiled import CompiledSampler
from reinforce.train import SampledTrainer
from tests.reinforce.examples import (
    SEED,
    make_environment,
    make_episodes,
    make_learner,
    make_policy,
    make_value,
    random_episodes,
)

# Three episodes of 3, 2 and 1 steps; 0 after the end.
RETURNS = np.array([[6.0, 4.0, 2.0], [3.0, 1.0, 0.0], [9.0, 0.0, 0.0]])


def test_none_is_zero():
    np.testing.assert_array_equal(none(tf.constant(RETURNS)), np.zeros((3, 3)))


def test_leave_one_out_is_the_mean_of_the_others_at_step_0():
    # (3 + 9) / 2 = 6, (6 + 9) / 2 = 7.5, (6 + 3) / 2 = 4.5, the same at every step.
    expected = [[6.0] * 3, [7.5] * 3, [4.5] * 3]
    np.testing.assert_allclose(leave_one_out(tf.constant(RETURNS)), expected, strict=True)


def test_per_step_counts_an_episode_that_has_ended_as_zero():
    # Step 1: (1 + 0) / 2, (4 + 0) / 2, (4 + 1) / 2. Step 2: (0 + 0) / 2, (2 + 0) / 2, (2 + 0) / 2.
    # Averages over only the episodes still running would be 1, 4, 2.5 and nan, 2, 2.
    expected = [[6.0, 0.5, 0.0], [7.5, 2.0, 1.0], [4.5, 2.5, 1.0]]
    np.testing.assert_allclose(per_step(tf.constant(RETURNS)), expected)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_an_episodes_baseline_does_not_depend_on_its_own_returns(name):
    # The baseline of episode 1 stays the same when its returns change.
    other = RETURNS.copy()
    other[1] = [100, -50, 7]
    episodes = make_episodes(np.zeros((3, 3)), np.zeros((3, 3), int), RETURNS)
    before = BASELINES[name].predict(episodes.observations, tf.constant(RETURNS), episodes.valid)
    after = BASELINES[name].predict(episodes.observations, tf.constant(other), episodes.valid)
    np.testing.assert_allclose(before[1], after[1])


@pytest.mark.parametrize("baseline", [leave_one_out, per_step])
@pytest.mark.parametrize("num_episodes", [2, 3, 7, 11, 16])
def test_equal_episodes_have_an_advantage_of_exactly_zero(baseline, num_episodes):
    # In float32, (sum − own) / (B − 1) misses 99.34 by a rounding error for B = 7
    # and 11. On a solved task, normalizing would amplify it to a full-size gradient.
    returns = tf.fill((num_episodes, 5), tf.constant(99.342957, tf.float32))
    np.testing.assert_array_equal(returns - baseline(returns), np.zeros((num_episodes, 5)))


@pytest.mark.parametrize("baseline", [leave_one_out, per_step])
def test_one_return_per_episode_is_refused(baseline):
    with pytest.raises(ValueError, match="invalid shape for `returns`"):
        baseline(tf.constant(RETURNS[:, 0]))


# The protocol -----------------------------------------------------------------------------------


def make_baseline(name):
    if name != "value":
        return BASELINES[name]
    return make_value(3, (4,), keras.optimizers.Adam(0.1), normalize_targets=True, chunk_size=4)


def copy_state(baseline):
    return {part: [v.numpy() for v in variables] for part, variables in baseline.state.items()}


@pytest.mark.parametrize("name", [*BASELINES, "value"])
def test_all_baselines_have_one_protocol(name):
    baseline = make_baseline(name)
    learner = make_learner(make_policy(spaces.Discrete(2), observation_size=3), gamma=0.9)
    episodes = random_episodes(learner.policy, num_episodes=4, num_steps=6)
    returns = learner.returns(episodes)
    baseline.reset(SEED)
    fresh, first = (
        copy_state(baseline),
        baseline.predict(episodes.observations, returns, episodes.valid),
    )
    assert first.shape == (4, 6)
    assert first.dtype == returns.dtype
    for _ in range(2):
        error = baseline.fit(episodes.observations, returns, episodes.valid)
        assert error.shape == ()
    assert (float(error) > 0) == bool(fresh)  # a baseline with a state learns
    baseline.reset(SEED)
    for part, values in copy_state(baseline).items():
        for before, after in zip(fresh[part], values, strict=True):
            np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(
        baseline.predict(episodes.observations, returns, episodes.valid), first
    )


class PreviousMean(Baseline):
    """The mean return over all steps of the previous batch; 0 for the first batch."""

    def __init__(self):
        self.mean = tf.Variable(0.0)

    @property
    def state(self):
        return {"previous_mean": [self.mean]}

    def reset(self, seed):
        self.mean.assign(0)

    def predict(self, observations, returns, valid):
        return tf.fill(tf.shape(returns), self.mean)

    def fit(self, observations, returns, valid):
        errors = tf.where(valid, returns - self.mean, 0)
        num_valid = tf.cast(tf.math.count_nonzero(valid), returns.dtype)
        self.mean.assign(tf.reduce_sum(returns) / num_valid)
        return tf.reduce_sum(errors**2) / num_valid


def test_a_custom_baseline_needs_no_change_elsewhere():
    # One episode has the returns 3 and 2, the other 4 at its only step. Their mean is 3, their mean
    # square (9 + 4 + 16) / 3. The mean square of their differences from 3 is (0 + 1 + 1) / 3.
    policy = make_policy(spaces.Discrete(2))
    learner = make_learner(policy, baseline=PreviousMean())
    environment, _ = make_environment("Bandit-v0")
    trainer = SampledTrainer(learner, CompiledSampler(environment, policy, 2))
    episodes = make_episodes(
        [[1, 1], [1, 0]], [[0, 1], [1, 0]], [[1, 2], [4, 9]], [[True, True], [True, False]]
    )
    np.testing.assert_allclose(learner.advantages(episodes), [[3, 2], [4, 0]])
    np.testing.assert_allclose(trainer.compiled_update(episodes).value_loss, 29 / 3, rtol=1e-6)
    assert trainer.state["previous_mean/0"].numpy() == 3
    advantages = learner.advantages(episodes).numpy()
    np.testing.assert_allclose(advantages[episodes.valid], [0, -1, 1])
    np.testing.assert_allclose(trainer.compiled_update(episodes).value_loss, 2 / 3, rtol=1e-6)
    trainer.reset(SEED)
    assert trainer.state["previous_mean/0"].numpy() == 0
