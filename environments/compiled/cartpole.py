"""The compiled pole on a cart."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.random import uniform

GRAVITY = 9.8  # m / s²
POLE_MASS = 0.1  # kg
TOTAL_MASS = 1.0 + POLE_MASS
HALF_LENGTH = 0.5  # m, of the pole
FORCE = 10.0  # N
SECONDS_PER_STEP = 0.02
MAX_POSITION = 2.4  # m
MAX_ANGLE = math.radians(12)
MAX_INITIAL = 0.05  # bound of each component of the initial state


class CartPoleState(NamedTuple):
    """The state of E carts with poles."""

    position: tf.Tensor  # [E] m, of the cart
    velocity: tf.Tensor  # [E] m / s
    angle: tf.Tensor  # [E] rad, of the pole; 0 is upright
    angular_velocity: tf.Tensor  # [E] rad / s


class CompiledCartPole:
    """`CartPole-v1`: push the cart left (0) or right (1) to keep the pole upright.

    An episode terminates when the cart is more than 2.4 m from the center, or the pole more than
    12° from upright.

    Args:
        sutton_barto_reward: If True, the terminating step is rewarded by −1 and every other step by
            0. If False, every step is rewarded by 1. Defaults to False.
        max_episode_steps: Time limit in env steps. Defaults to 500.

    Source: Barto, Sutton & Anderson (1983), "Neuronlike adaptive elements that can solve difficult
    learning control problems", appendix, without friction; equations as corrected by Florian
    (2005), "Correct equations for the dynamics of the cart-pole system".
    """

    def __init__(self, sutton_barto_reward: bool = False, max_episode_steps: int = 500) -> None:
        high = np.array([2 * MAX_POSITION, np.inf, 2 * MAX_ANGLE, np.inf], np.float32)
        self.observation_space = spaces.Box(-high, high)
        self.action_space = spaces.Discrete(2)
        self.max_episode_steps = max_episode_steps
        self.sutton_barto_reward = sutton_barto_reward

    def reset(self, num_envs: int, seed: tf.Tensor) -> CartPoleState:
        initial = uniform([4, num_envs], seed, -MAX_INITIAL, MAX_INITIAL)
        return CartPoleState(*tf.unstack(initial))

    def observe(self, state: CartPoleState) -> tf.Tensor:
        return tf.stack(state, axis=-1)  # [E, 4]

    def step(
        self, state: CartPoleState, actions: tf.Tensor
    ) -> tuple[CartPoleState, tf.Tensor, tf.Tensor]:
        force = tf.where(actions == 1, FORCE, -FORCE)  # [E]
        acceleration, angular_acceleration = _accelerations(state, force)
        # Explicit Euler: positions move by the velocities from before the step.
        after = CartPoleState(
            state.position + SECONDS_PER_STEP * state.velocity,
            state.velocity + SECONDS_PER_STEP * acceleration,
            state.angle + SECONDS_PER_STEP * state.angular_velocity,
            state.angular_velocity + SECONDS_PER_STEP * angular_acceleration,
        )
        terminated = (abs(after.position) > MAX_POSITION) | (abs(after.angle) > MAX_ANGLE)
        rewards = tf.ones_like(force)
        if self.sutton_barto_reward:
            rewards = -tf.cast(terminated, tf.float32)
        return after, rewards, terminated


def _accelerations(state: CartPoleState, force: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the accelerations of the cart and of the pole's angle, each [E]."""
    sine, cosine = tf.sin(state.angle), tf.cos(state.angle)
    moment = POLE_MASS * HALF_LENGTH
    push = (force + moment * state.angular_velocity**2 * sine) / TOTAL_MASS
    angular = (GRAVITY * sine - cosine * push) / (
        HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / TOTAL_MASS)
    )
    return push - moment * angular * cosine / TOTAL_MASS, angular
