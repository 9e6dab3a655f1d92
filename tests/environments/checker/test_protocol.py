"""What does not keep to the contract is caught."""

import pytest
import tensorflow as tf

from environments.checker import check_protocol
from environments.compiled.pendulum import CompiledPendulum, PendulumState


def test_the_pendulum_keeps_to_it():
    check_protocol(CompiledPendulum(), num_steps=20, seed=0)


class RewardsFloat64(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return state, tf.cast(rewards, tf.float64), terminated


class RewardsInColumns(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return state, rewards[:, tf.newaxis], terminated


class TerminatesByNumbers(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return state, rewards, tf.cast(terminated, tf.float32)


class ForgetsItsStructure(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return tuple(state), rewards, terminated


class ObservesOneNumber(CompiledPendulum):
    def observe(self, state):
        return state.speed[:, tf.newaxis]


class SharesAState(CompiledPendulum):
    def reset(self, num_envs, seed):
        return super().reset(num_envs, seed)._replace(speed=tf.zeros([1]))


class DrawsForAllCopiesAtOnce(CompiledPendulum):
    def step(self, state, actions):
        wind = tf.random.stateless_normal(state.speed.shape, tf.constant([1, 2]))
        return super().step(state._replace(speed=state.speed + wind), actions)


class HasOneSeed(CompiledPendulum):
    def reset(self, num_envs, seed):
        return super().reset(num_envs, 0 * seed)


class HasAGenerator(CompiledPendulum):
    def __init__(self):
        super().__init__()
        self.generator = tf.random.Generator.from_seed(0)


class HasNoSeed(HasAGenerator):
    def reset(self, num_envs, seed):
        state = super().reset(num_envs, seed)
        return state._replace(speed=self.generator.uniform([num_envs]))


class StepsAtRandom(HasAGenerator):
    def step(self, state, actions):
        return super().step(state, actions + self.generator.uniform(actions.shape))


class Explodes(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return state._replace(angle=1e6 * (1 + abs(state.angle))), rewards, terminated


@pytest.mark.parametrize(
    ("mistaken", "message"),
    [
        (RewardsFloat64, r"rewards: expected .*\(64,\).*float32.* received .*float64"),
        (RewardsInColumns, r"rewards: expected .*\(64,\).* received .*\(64, 1\)"),
        (TerminatesByNumbers, "terminated: expected .*bool.* received .*float32"),
        (ForgetsItsStructure, "state after a step.angle: expected .* received None"),
        (ObservesOneNumber, r"observe: expected .*\(64, 3\).* received .*\(64, 1\)"),
        (SharesAState, r"Expected state of reset.speed \[E, …\]. Received: \(1,\)"),
        (HasOneSeed, "Expected another seed to give other states"),
        (HasNoSeed, "Expected one seed to give one state"),
        (DrawsForAllCopiesAtOnce, "Expected a copy's step to depend on that copy alone"),
        (StepsAtRandom, "Expected a step to be a function of the state and the actions"),
        (Explodes, r"Expected finite numbers.*after \d+ env steps: observations = "),
    ],
)
def test_what_does_not_is_named(mistaken, message):
    with pytest.raises(AssertionError, match=message):
        check_protocol(mistaken(), num_steps=20, seed=0)


def test_who_always_begins_alike_needs_no_seed():
    class Upright(CompiledPendulum):
        def reset(self, num_envs, seed):
            return PendulumState(tf.zeros([num_envs]), tf.zeros([num_envs]))

    check_protocol(Upright(), num_steps=1, seed=0)


def test_steps_end_with_the_time_limit():
    # Explodes is finite for six steps: 10⁶ⁿ is a float32 up to 3.4 · 10³⁸.
    check_protocol(Explodes(max_episode_steps=6), num_steps=20, seed=0)
    with pytest.raises(AssertionError, match="after 7 env steps"):
        check_protocol(Explodes(max_episode_steps=7), num_steps=20, seed=0)
