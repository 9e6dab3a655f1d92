"""The checker, on an environment with random steps and on mistakes of its user."""

import copy
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from environments.checker import check_against_gymnasium, check_initial_states, collect
from environments.compiled.pendulum import PendulumState
from tests.environments.compiled.references import READ_STATE, make

WIND = 0.3  # standard deviation of a step of the walk


class Walk(gymnasium.Env):
    """A walk in random wind, which is drawn in each step."""

    observation_space = spaces.Dict(
        position=spaces.Box(-np.inf, np.inf, ()), side=spaces.Discrete(2)
    )
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = 0.5
        return self._observe(), {}

    def step(self, action):
        self.position += action + self.np_random.normal(0, WIND)
        return self._observe(), -self.position, self.position < -3, False, {}

    def _observe(self):
        position = np.array(self.position, np.float32)
        return {"position": position, "side": int(position > 0)}


class WalkState(NamedTuple):
    position: tf.Tensor  # [E]
    wind: tf.Tensor  # [E], for the next step
    seed: tf.Tensor  # [E, 2], seed of that wind; each copy has its own


class CompiledWalk:
    """The same walk, with the wind of the next step in its state."""

    def __init__(self, wind=WIND, max_episode_steps=20):
        self.wind = wind
        self.observation_space = spaces.Box(
            np.array([-np.inf, 0, 0], np.float32), np.array([np.inf, 1, 1], np.float32)
        )
        self.action_space = Walk.action_space
        self.max_episode_steps = max_episode_steps

    def reset(self, num_envs, seed):
        seeds = tf.random.stateless_uniform([num_envs, 2], seed, None, None, tf.int32)
        return self._state(tf.fill([num_envs], 0.5), seeds)

    def observe(self, state):
        # Keys in alphabetical order, the side one-hot.
        side = tf.one_hot(tf.cast(state.position > 0, tf.int32), 2)  # [E, 2]
        return tf.concat([state.position[:, tf.newaxis], side], axis=1)

    def step(self, state, actions):
        position = state.position + tf.cast(actions, tf.float32) + state.wind
        return self._state(position, state.seed + tf.constant([0, 1])), -position, position < -3

    def _state(self, position, seed):
        def draw(own):
            return tf.random.stateless_normal([], own, 0.0, self.wind)

        wind = tf.map_fn(draw, seed, fn_output_signature=tf.float32)
        return WalkState(position, wind, seed)


def make_walk():
    return gymnasium.wrappers.TimeLimit(Walk(), max_episode_steps=20)


def read_walk(env):
    wind = copy.deepcopy(env.unwrapped.np_random).normal(0, WIND)
    return WalkState(env.unwrapped.position, wind, np.zeros(2, np.int32))


def test_random_steps_can_be_compared():
    check_against_gymnasium(
        CompiledWalk(),
        make_walk,
        read_walk,
        compared=lambda state: state.position,
        num_steps=500,
        num_resets=10,
    )


def test_random_numbers_for_later_steps_must_be_left_out():
    with pytest.raises(AssertionError, match=r"Initial state.seed\[0\]: expected the constant 0.0"):
        check_initial_states(CompiledWalk(), make_walk(), read_walk, num_resets=10, seed=3)


def test_the_distribution_of_the_first_draw_is_compared():
    def compared(state):
        return state.wind

    check_initial_states(CompiledWalk(), make_walk(), read_walk, 3000, 0, compared)
    with pytest.raises(AssertionError, match="Initial state: expected a distribution"):
        check_initial_states(CompiledWalk(wind=0.4), make_walk(), read_walk, 3000, 0, compared)


def test_episodes_end_by_termination_or_by_the_time_limit():
    transitions = collect(make_walk(), read_walk, 300, max_episode_steps=20, seed=0)
    begins = np.flatnonzero(transitions.states.position == 0.5)
    lengths = np.diff(begins)
    ended = transitions.outcome.terminated[begins[1:] - 1]
    assert ended.any()
    assert (lengths[~ended] == 20).all()
    np.testing.assert_array_equal(
        np.flatnonzero(transitions.outcome.terminated) + 1, begins[1:][ended]
    )


def test_a_truncation_before_the_time_limit_is_found():
    with pytest.raises(AssertionError, match="time limit of 21 env steps.*truncated after 20"):
        collect(make_walk(), read_walk, 300, max_episode_steps=21, seed=0)


@pytest.mark.parametrize(
    ("read_state", "message"),
    [
        (
            lambda env: tuple(env.unwrapped.state),
            r"compiled state: state.angle, state.speed. Received: state\[0\], state\[1\]",
        ),
        (
            lambda env: PendulumState(env.unwrapped.state, 0.0),
            r"state.angle of shape \(\), .*\(2,\)",
        ),
    ],
)
def test_read_state_must_return_the_compiled_structure(read_state, message):
    with pytest.raises(ValueError, match=message):
        check_initial_states(
            make("Pendulum-v1"), gymnasium.make("Pendulum-v1"), read_state, num_resets=2, seed=0
        )


def test_each_of_the_three_checks_is_made(monkeypatch):
    def check(compiled, read_state=READ_STATE["Pendulum-v1"]):
        check_against_gymnasium(
            compiled,
            lambda: gymnasium.make("Pendulum-v1"),
            read_state,
            num_steps=50,
            num_resets=1000,
        )

    wrong = make("Pendulum-v1")
    monkeypatch.setattr(wrong, "observe", lambda state: tf.stack(state, axis=-1))
    with pytest.raises(AssertionError, match="observe: expected"):
        check(wrong)
    with pytest.raises(AssertionError, match="Initial state.angle"):
        check(make("Pendulum-v1"), lambda env: PendulumState(*(env.unwrapped.state * [0.5, 1])))
    with pytest.raises(AssertionError, match=r"Step \d+, next_observation"):
        check(make("Pendulum-v1", g=9))
