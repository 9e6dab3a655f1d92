"""The compiled version of MuJoCo's pole on a cart."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.integration import runge_kutta
from environments.compiled.random import uniform

GRAVITY = 9.81  # m / s²
CART_MASS = 10.471975511965978  # kg; a capsule of 0.2 m, radius 0.1 m, density 1,000 kg / m³
POLE_MASS = 5.018591641363305  # kg; a capsule of 0.6 m, radius 0.049 m, same density
POLE_CENTER = (0.0005, 0.3)  # m, along the cart and upwards, from the hinge to the center of mass
POLE_MOMENT = 0.1887497668730885  # kg m², of the pole about its center of mass
DAMPING = 1.0  # N s / m for the cart, N m s / rad for the pole
FORCE_PER_ACTION = 100.0  # N
MAX_ACTION = 3.0
SECONDS_PER_FRAME = 0.02
MAX_ANGLE = 0.2  # rad, on either side
# The ends of the rail push back like MuJoCo's limits, with its defaults of `solref` and `solimp`.
MAX_POSITION = 1.0  # m, from the middle of the rail to each end
LIMIT_TIME_CONSTANT = 0.04  # s; `solref` is 0.02, which MuJoCo raises to two frames
MIN_IMPEDANCE, MAX_IMPEDANCE = 0.9, 0.95
IMPEDANCE_WIDTH = 0.001  # m beyond the end, at which the impedance reaches its maximum


class InvertedPendulumState(NamedTuple):
    """The state of E carts with poles."""

    position: tf.Tensor  # [E] m, of the cart from the middle of the rail
    angle: tf.Tensor  # [E] rad, of the pole from upright
    velocity: tf.Tensor  # [E] m / s
    angular_velocity: tf.Tensor  # [E] rad / s


class CompiledInvertedPendulum:
    """`InvertedPendulum-v5`: keep a pole upright by a continuous force on its cart.

    The episode terminates when the pole leans by more than 0.2 rad. That step is rewarded by 0,
    every other step by 1.

    Args:
        frame_skip: Frames of 0.02 s per env step. Defaults to 2.
        reset_noise_scale: Bound of each component of the initial state. Defaults to 0.01.
        max_episode_steps: Time limit in env steps. Defaults to 1000.

    Source: Gymnasium's `mujoco/inverted_pendulum_v5.py` and `inverted_pendulum.xml`; the equations
    of motion are Lagrange's, the ends of the rail those of MuJoCo's constraint model
    (mujoco.readthedocs.io, "Computation").
    """

    def __init__(
        self, frame_skip: int = 2, reset_noise_scale: float = 0.01, max_episode_steps: int = 1000
    ) -> None:
        if not isinstance(frame_skip, int) or frame_skip < 1:
            raise ValueError(
                f"Expected a positive integer for `frame_skip`. Received: frame_skip={frame_skip!r}"
            )
        if not isinstance(reset_noise_scale, int | float) or reset_noise_scale < 0:
            raise ValueError(
                "Expected a nonnegative number for `reset_noise_scale`. "
                f"Received: reset_noise_scale={reset_noise_scale!r}"
            )
        self.observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float64)
        self.action_space = spaces.Box(-MAX_ACTION, MAX_ACTION, (1,))
        self.max_episode_steps = max_episode_steps
        self._frame_skip = frame_skip
        self._max_initial = reset_noise_scale

    def reset(self, num_envs: int, seed: tf.Tensor) -> InvertedPendulumState:
        initial = uniform([4, num_envs], seed, -self._max_initial, self._max_initial)
        return InvertedPendulumState(*tf.unstack(initial))

    def observe(self, state: InvertedPendulumState) -> tf.Tensor:
        return tf.stack(state, axis=-1)  # [E, 4]

    def step(
        self, state: InvertedPendulumState, actions: tf.Tensor
    ) -> tuple[InvertedPendulumState, tf.Tensor, tf.Tensor]:
        force = FORCE_PER_ACTION * tf.clip_by_value(actions[:, 0], -MAX_ACTION, MAX_ACTION)  # [E]
        derivative = functools.partial(_derivative, force=force)
        moved = tf.stack(state)  # [4, E]
        for _ in range(self._frame_skip):
            moved = runge_kutta(derivative, moved, SECONDS_PER_FRAME)
        after = InvertedPendulumState(*tf.unstack(moved))
        terminated = abs(after.angle) > MAX_ANGLE
        return after, tf.where(terminated, 0.0, 1.0), terminated


def _derivative(states: tf.Tensor, force: tf.Tensor) -> tf.Tensor:
    """Return the time derivative of states [4, E] under forces [E] on the cart."""
    position, angle, velocity, angular_velocity = tf.unstack(states)
    along, upwards = POLE_CENTER
    sine, cosine = tf.sin(angle), tf.cos(angle)
    ahead = along * cosine + upwards * sine  # m, of the pole's center of mass in front of the hinge
    height = upwards * cosine - along * sine  # m, of the center of mass above the hinge
    inertia = CART_MASS + POLE_MASS
    coupling = POLE_MASS * height
    moment = POLE_MOMENT + POLE_MASS * (along**2 + upwards**2)
    push = force - DAMPING * velocity + POLE_MASS * ahead * angular_velocity**2
    torque = POLE_MASS * GRAVITY * ahead - DAMPING * angular_velocity
    determinant = inertia * moment - coupling**2
    # The cart's acceleration without the rail's end, and the change in it per newton.
    free = (moment * push - coupling * torque) / determinant
    mobility = moment / determinant
    push += _rail_end_force(position, velocity, free, mobility)
    acceleration = (moment * push - coupling * torque) / determinant
    angular_acceleration = (inertia * torque - coupling * push) / determinant
    return tf.stack([velocity, angular_velocity, acceleration, angular_acceleration])


def _rail_end_force(
    position: tf.Tensor, velocity: tf.Tensor, free: tf.Tensor, mobility: tf.Tensor
) -> tf.Tensor:
    """Return the force [E] in N with which an end of the rail pushes back; 0 on the rail.

    MuJoCo's limits are soft. `reference` is the inward acceleration of a critically damped spring.
    The force closes a fraction of the gap between the cart's free acceleration and `reference`.
    This fraction, the impedance, grows with depth. At 1, the cart would move exactly like the
    spring.

    Args:
        position: [E] m, of the cart.
        velocity: [E] m / s, of the cart.
        free: [E] m / s², the cart's acceleration without this force.
        mobility: [E] m / s² per newton, the cart's acceleration by a force on it.
    """
    side = tf.sign(position)
    depth = abs(position) - MAX_POSITION  # m beyond the end
    inwards = -side * velocity
    fraction = tf.clip_by_value(depth / IMPEDANCE_WIDTH, 0.0, 1.0)
    rising = tf.where(fraction < 0.5, 2 * fraction**2, 1 - 2 * (1 - fraction) ** 2)
    impedance = MIN_IMPEDANCE + (MAX_IMPEDANCE - MIN_IMPEDANCE) * rising
    stiffness = 1 / (MAX_IMPEDANCE * LIMIT_TIME_CONSTANT) ** 2
    damping = 2 / (MAX_IMPEDANCE * LIMIT_TIME_CONSTANT)
    reference = stiffness * impedance * depth - damping * inwards
    shortfall = reference + side * free
    regularizer = (1 - impedance) / impedance * _mobility_upright()
    is_pushing = (depth > 0) & (shortfall > 0)
    return tf.where(is_pushing, -side * shortfall / (mobility + regularizer), 0.0)


def _mobility_upright() -> float:
    """Return the cart's m / s² per newton with the pole upright, MuJoCo's `dof_invweight0`."""
    along, upwards = POLE_CENTER
    moment = POLE_MOMENT + POLE_MASS * math.hypot(along, upwards) ** 2
    return moment / ((CART_MASS + POLE_MASS) * moment - (POLE_MASS * upwards) ** 2)
