"""The compiled acrobot, a two-link pendulum driven at the elbow."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.integration import runge_kutta
from environments.compiled.random import uniform

GRAVITY = 9.8  # m / s²
MASS = 1.0  # kg, of each link
LENGTH = 1.0  # m, of each link
CENTER = 0.5  # m, from a link's upper joint to its center of mass
MOMENT = 1.0  # kg m², of each link about its center of mass
TORQUE = 1.0  # N m
SECONDS_PER_STEP = 0.2
MAX_VELOCITIES = (4 * math.pi, 9 * math.pi)  # rad / s
MIN_HEIGHT = 1.0  # m, of the tip above the fixed joint, beyond which an episode terminates
MAX_INITIAL = 0.1  # bound of each component of the initial state


class AcrobotState(NamedTuple):
    """The state of E acrobots."""

    angle_1: tf.Tensor  # [E] rad, from −π to π; first link, 0 is hanging down
    angle_2: tf.Tensor  # [E] rad, from −π to π; second link relative to the first
    velocity_1: tf.Tensor  # [E] rad / s
    velocity_2: tf.Tensor  # [E] rad / s


class CompiledAcrobot:
    """`Acrobot-v1`: swing the tip up by a torque of −1, 0 or 1 N m at the joint between the links.

    The episode terminates when the tip is higher than one link's length above the fixed joint. That
    step is rewarded by 0, every other step by −1.

    Args:
        max_episode_steps: Time limit in env steps. Defaults to 500.

    Source: Sutton (1996), "Generalization in reinforcement learning: successful examples using
    sparse coarse coding", with the equations of motion of Sutton & Barto (1998), section 11.3,
    the default in Gymnasium's `classic_control/acrobot.py`.
    """

    def __init__(self, max_episode_steps: int = 500) -> None:
        high = np.array([1.0, 1.0, 1.0, 1.0, *MAX_VELOCITIES], np.float32)
        self.observation_space = spaces.Box(-high, high)
        self.action_space = spaces.Discrete(3)
        self.max_episode_steps = max_episode_steps

    def reset(self, num_envs: int, seed: tf.Tensor) -> AcrobotState:
        initial = uniform([4, num_envs], seed, -MAX_INITIAL, MAX_INITIAL)
        return AcrobotState(*tf.unstack(initial))

    def observe(self, state: AcrobotState) -> tf.Tensor:
        angles = tf.stack(state[:2], axis=-1)  # [E, 2]
        turned = tf.stack([tf.cos(angles), tf.sin(angles)], axis=-1)  # [E, 2, 2]
        return tf.concat([tf.reshape(turned, [-1, 4]), tf.stack(state[2:], axis=-1)], axis=-1)

    def step(
        self, state: AcrobotState, actions: tf.Tensor
    ) -> tuple[AcrobotState, tf.Tensor, tf.Tensor]:
        torque = TORQUE * tf.cast(actions - 1, tf.float32)  # [E]
        derivative = functools.partial(_derivative, torque=torque)
        moved = runge_kutta(derivative, tf.stack(state), SECONDS_PER_STEP)  # [4, E]
        max_velocities = tf.constant(MAX_VELOCITIES)[:, tf.newaxis]
        velocities = tf.clip_by_value(moved[2:], -max_velocities, max_velocities)
        after = AcrobotState(*tf.unstack(_wrap(moved[:2])), *tf.unstack(velocities))
        height = -LENGTH * (tf.cos(after.angle_1) + tf.cos(after.angle_1 + after.angle_2))
        terminated = height > MIN_HEIGHT
        return after, tf.where(terminated, 0.0, -1.0), terminated


def _derivative(states: tf.Tensor, torque: tf.Tensor) -> tf.Tensor:
    """Return the time derivative of states [4, E] under torques [E].

    The accelerations solve M · accelerations = forces, with the mass matrix M. The book eliminates
    one unknown after the other instead: its d₁ is M₁₁, d₂ is M₁₂, φ₁ is −`force_1`, and φ₂ is
    `weight`.
    """
    angle_1, angle_2, velocity_1, velocity_2 = tf.unstack(states)
    lever = MASS * LENGTH * CENTER
    inertia_2 = MASS * CENTER**2 + MOMENT  # M₂₂
    coupling = inertia_2 + lever * tf.cos(angle_2)  # M₁₂ = M₂₁
    inertia_1 = 2 * coupling + MASS * LENGTH**2  # M₁₁
    swing = lever * tf.sin(angle_2)
    weight = MASS * CENTER * GRAVITY * tf.sin(angle_1 + angle_2)
    force_1 = (
        swing * velocity_2 * (velocity_2 + 2 * velocity_1)
        - MASS * (CENTER + LENGTH) * GRAVITY * tf.sin(angle_1)
        - weight
    )
    force_2 = torque - swing * velocity_1**2 - weight
    determinant = inertia_1 * inertia_2 - coupling**2
    acceleration_1 = (inertia_2 * force_1 - coupling * force_2) / determinant
    acceleration_2 = (inertia_1 * force_2 - coupling * force_1) / determinant
    return tf.stack([velocity_1, velocity_2, acceleration_1, acceleration_2])


def _wrap(angles: tf.Tensor) -> tf.Tensor:
    """Wrap angles to [−π, π]."""
    return angles - 2 * math.pi * tf.round(angles / (2 * math.pi))
