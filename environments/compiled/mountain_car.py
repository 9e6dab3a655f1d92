"""The compiled mountain cars, with discrete and with continuous actions."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.random import uniform

GRAVITY = 0.0025
MIN_POSITION, MAX_POSITION = -1.2, 0.6
MAX_SPEED = 0.07
MIN_INITIAL, MAX_INITIAL = -0.6, -0.4  # initial position
GEAR_FORCE, GEAR_GOAL = 0.001, 0.5  # discrete actions
PEDAL_FORCE, PEDAL_GOAL = 0.0015, 0.45  # continuous actions; the largest force


class MountainCarState(NamedTuple):
    """The state of E cars; the unit of time is an env step."""

    position: tf.Tensor  # [E]; the bottom of the valley is at −π / 6
    velocity: tf.Tensor  # [E]


class _Car:
    """The dynamics of both cars."""

    def __init__(self, goal_velocity: float, max_episode_steps: int) -> None:
        if not isinstance(goal_velocity, int | float):
            raise TypeError(
                f"Expected a number for `goal_velocity`. Received: goal_velocity={goal_velocity!r}"
            )
        self.observation_space = spaces.Box(
            np.array([MIN_POSITION, -MAX_SPEED], np.float32),
            np.array([MAX_POSITION, MAX_SPEED], np.float32),
        )
        self.max_episode_steps = max_episode_steps
        self.goal_velocity = goal_velocity

    def reset(self, num_envs: int, seed: tf.Tensor) -> MountainCarState:
        position = uniform([num_envs], seed, MIN_INITIAL, MAX_INITIAL)
        return MountainCarState(position, tf.zeros([num_envs]))

    def observe(self, state: MountainCarState) -> tf.Tensor:
        return tf.stack(state, axis=-1)  # [E, 2]

    def _drive(
        self, state: MountainCarState, force: tf.Tensor, goal: float
    ) -> tuple[MountainCarState, tf.Tensor]:
        """Return the next state under forces [E], and whether it reaches the goal [E]."""
        velocity = state.velocity + force - GRAVITY * tf.cos(3 * state.position)
        velocity = tf.clip_by_value(velocity, -MAX_SPEED, MAX_SPEED)
        position = tf.clip_by_value(state.position + velocity, MIN_POSITION, MAX_POSITION)
        # The wall on the left stops the car. The wall on the right is beyond the goal.
        velocity = tf.where(position > MIN_POSITION, velocity, tf.maximum(velocity, 0.0))
        arrived = (position >= goal) & (velocity >= self.goal_velocity)
        return MountainCarState(position, velocity), arrived


class CompiledMountainCar(_Car):
    """`MountainCar-v0`: an underpowered car must gain momentum to climb a hill.

    Actions accelerate to the left (0), not at all (1) or to the right (2). Each step is rewarded by
    −1. An episode terminates on top of the hill on the right.

    Args:
        goal_velocity: Minimum velocity at which the top counts as reached. Defaults to 0.
        max_episode_steps: Time limit in env steps. Defaults to 200.

    Source: Moore (1990), "Efficient memory-based learning for robot control", in the form of
    Sutton & Barto (2018), example 10.1; Gymnasium's `classic_control/mountain_car.py`.
    """

    def __init__(self, goal_velocity: float = 0, max_episode_steps: int = 200) -> None:
        super().__init__(goal_velocity, max_episode_steps)
        self.action_space = spaces.Discrete(3)

    def step(
        self, state: MountainCarState, actions: tf.Tensor
    ) -> tuple[MountainCarState, tf.Tensor, tf.Tensor]:
        force = GEAR_FORCE * tf.cast(actions - 1, tf.float32)  # [E]
        after, terminated = self._drive(state, force, GEAR_GOAL)
        return after, -tf.ones_like(force), terminated


class CompiledMountainCarContinuous(_Car):
    """`MountainCarContinuous-v0`: the mountain car with a continuous force, which has a cost.

    Each step costs a tenth of the squared action. An episode terminates on top of the hill on the
    right, which is rewarded by 100.

    Args:
        goal_velocity: Minimum velocity at which the top counts as reached. Defaults to 0.
        max_episode_steps: Time limit in env steps. Defaults to 999.

    Source: see `CompiledMountainCar`; Gymnasium's `classic_control/continuous_mountain_car.py`.
    """

    def __init__(self, goal_velocity: float = 0, max_episode_steps: int = 999) -> None:
        super().__init__(goal_velocity, max_episode_steps)
        self.action_space = spaces.Box(-1.0, 1.0, (1,))

    def step(
        self, state: MountainCarState, actions: tf.Tensor
    ) -> tuple[MountainCarState, tf.Tensor, tf.Tensor]:
        pedal = actions[:, 0]  # [E]
        force = PEDAL_FORCE * tf.clip_by_value(pedal, -1.0, 1.0)
        after, terminated = self._drive(state, force, PEDAL_GOAL)
        # The force uses the clipped action, but the cost uses the original one.
        return after, tf.where(terminated, 100.0, 0.0) - 0.1 * pedal**2, terminated
