"""Violations of the protocol are found."""

import pytest
import tensorflow as tf

from environments.checker import check_protocol
from environments.compiled.pendulum import CompiledPendulum, PendulumState


def test_the_pendulum_follows_the_protocol():
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


class ReturnsATuple(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return tuple(state), rewards, terminated


class ObservesOneNumber(CompiledPendulum):
    def observe(self, state):
        return state.speed[:, tf.newaxis]


class SharesASpeed(CompiledPendulum):
    def reset(self, num_envs, seed):
        return super().reset(num_envs, seed)._replace(speed=tf.zeros([1]))


class DrawsByPosition(CompiledPendulum):
    def step(self, state, actions):
        wind = tf.random.stateless_normal(state.speed.shape, tf.constant([1, 2]))
        return super().step(state._replace(speed=state.speed + wind), actions)


class IgnoresTheSeed(CompiledPendulum):
    def reset(self, num_envs, seed):
        return super().reset(num_envs, 0 * seed)


class HasAGenerator(CompiledPendulum):
    def __init__(self):
        super().__init__()
        self.generator = tf.random.Generator.from_seed(0)


class DrawsUnseeded(HasAGenerator):
    def reset(self, num_envs, seed):
        state = super().reset(num_envs, seed)
        return state._replace(speed=self.generator.uniform([num_envs]))


class StepsUnseeded(HasAGenerator):
    def step(self, state, actions):
        return super().step(state, actions + self.generator.uniform(actions.shape))


class Explodes(CompiledPendulum):
    def step(self, state, actions):
        state, rewards, terminated = super().step(state, actions)
        return state._replace(angle=1e6 * (1 + abs(state.angle))), rewards, terminated


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (RewardsFloat64, r"rewards: expected .*\(64,\).*float32.* received .*float64"),
        (RewardsInColumns, r"rewards: expected .*\(64,\).* received .*\(64, 1\)"),
        (TerminatesByNumbers, "terminated: expected .*bool.* received .*float32"),
        (ReturnsATuple, "next state.angle: expected .* received None"),
        (ObservesOneNumber, r"observe: expected .*\(64, 3\).* received .*\(64, 1\)"),
        (SharesASpeed, r"Expected initial state.speed of shape \[E, …\]. Received: \(1,\)"),
        (IgnoresTheSeed, "Expected different seeds to give different states"),
        (DrawsUnseeded, "Expected the same seed to give the same states"),
        (DrawsByPosition, "Expected each copy to step independently"),
        (StepsUnseeded, "Expected a step to depend only on state and actions"),
        (Explodes, r"Expected finite numbers.*after \d+ env steps: observations = "),
    ],
)
def test_a_violation_is_named(wrong, message):
    with pytest.raises(AssertionError, match=message):
        check_protocol(wrong(), num_steps=20, seed=0)


def test_a_constant_initial_state_needs_no_seed():
    class Upright(CompiledPendulum):
        def reset(self, num_envs, seed):
            return PendulumState(tf.zeros([num_envs]), tf.zeros([num_envs]))

    check_protocol(Upright(), num_steps=1, seed=0)


def test_the_check_stops_at_the_time_limit():
    # Explodes is finite for six steps, since float32 holds 10⁶ⁿ only up to 3.4 · 10³⁸.
    check_protocol(Explodes(max_episode_steps=6), num_steps=20, seed=0)
    with pytest.raises(AssertionError, match="after 7 env steps"):
        check_protocol(Explodes(max_episode_steps=7), num_steps=20, seed=0)
