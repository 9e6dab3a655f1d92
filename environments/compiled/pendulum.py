"""The compiled pendulum."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.random import uniform

MASS = 1.0  # kg
LENGTH = 1.0  # m
SECONDS_PER_STEP = 0.05
MAX_SPEED = 8.0  # rad / s
MAX_TORQUE = 2.0  # N m
MAX_INITIAL_ANGLE = math.pi
MAX_INITIAL_SPEED = 1.0


class PendulumState(NamedTuple):
    """The state of E pendulums."""

    angle: tf.Tensor  # [E] rad; 0 is upright, not wrapped
    speed: tf.Tensor  # [E] rad / s


class CompiledPendulum:
    """`Pendulum-v1`: swing a rod up by a torque and keep it upright; no state is terminal.

    Args:
        g: Gravity in m / s². Defaults to 10.
        max_episode_steps: Time limit in env steps. Defaults to 200.

    Source: Gymnasium's `classic_control/pendulum.py`. The moment of inertia of a rod of mass m and
    length l about its end is m l² / 3.
    """

    def __init__(self, g: float = 10.0, max_episode_steps: int = 200) -> None:
        if not isinstance(g, int | float):
            raise TypeError(f"Expected a number for `g`. Received: g={g!r}")
        high = np.array([1.0, 1.0, MAX_SPEED], np.float32)
        self.observation_space = spaces.Box(-high, high)
        self.action_space = spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,))
        self.max_episode_steps = max_episode_steps
        self.g = g

    def reset(self, num_envs: int, seed: tf.Tensor) -> PendulumState:
        angle, speed = tf.unstack(uniform([2, num_envs], seed, -1.0, 1.0))
        return PendulumState(MAX_INITIAL_ANGLE * angle, MAX_INITIAL_SPEED * speed)

    def observe(self, state: PendulumState) -> tf.Tensor:
        return tf.stack([tf.cos(state.angle), tf.sin(state.angle), state.speed], axis=-1)  # [E, 3]

    def step(
        self, state: PendulumState, actions: tf.Tensor
    ) -> tuple[PendulumState, tf.Tensor, tf.Tensor]:
        torque = tf.clip_by_value(actions[:, 0], -MAX_TORQUE, MAX_TORQUE)  # [E]
        # The reward depends on the state before the step, not on the next state.
        costs = _from_upright(state.angle) ** 2 + 0.1 * state.speed**2 + 0.001 * torque**2
        acceleration = (
            3 * self.g / (2 * LENGTH) * tf.sin(state.angle) + 3 / (MASS * LENGTH**2) * torque
        )
        speed = state.speed + SECONDS_PER_STEP * acceleration
        speed = tf.clip_by_value(speed, -MAX_SPEED, MAX_SPEED)
        after = PendulumState(state.angle + SECONDS_PER_STEP * speed, speed)
        return after, -costs, tf.zeros_like(costs, tf.bool)


def _from_upright(angle: tf.Tensor) -> tf.Tensor:
    """Wrap an angle to [−π, π]."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
