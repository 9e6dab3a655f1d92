"""The pole on a cart that MuJoCo simulates, compiled."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from environments.compiled.integration import runge_kutta
from environments.compiled.random import uniform

GRAVITY = 9.81  # m / s²
CART_MASS = 10.471975511965978  # kg; a capsule of 0.2 m, its radius 0.1 m, of 1,000 kg / m³
POLE_MASS = 5.018591641363305  # kg; one of 0.6 m, its radius 0.049 m, of the same density
POLE_CENTER = (0.0005, 0.3)  # m, along the cart and upwards, from the hinge to the centre of mass
POLE_MOMENT = 0.1887497668730885  # kg m², of the pole about its centre of mass
DAMPING = 1.0  # N s / m of the cart, N m s / rad of the pole
FORCE_PER_ACTION = 100.0  # N
MAX_ACTION = 3.0
SECONDS_PER_FRAME = 0.02
MAX_ANGLE = 0.2  # rad, on either side
# The ends of the rail push back as MuJoCo's limits do by default (`solref`, `solimp`).
MAX_POSITION = 1.0  # m, on either side, of the rail
WAY_BACK_SECONDS = 0.04  # time constant; `solref` has 0.02, of which MuJoCo makes two frames
MIN_IMPEDANCE, MAX_IMPEDANCE = 0.9, 0.95
IMPEDANCE_WIDTH = 0.001  # m beyond the end, where the impedance is the largest


class InvertedPendulumState(NamedTuple):
    """E poles on carts."""

    position: tf.Tensor  # [E] m, of the cart from the middle of the rail
    angle: tf.Tensor  # [E] rad, of the pole from upright
    velocity: tf.Tensor  # [E] m / s
    angular_velocity: tf.Tensor  # [E] rad / s


class CompiledInvertedPendulum:
    """`InvertedPendulum-v5`: a force on a cart, continuous, keeps a pole upright on it.

    Each step is rewarded by 1, but the one that terminates the episode by 0: that in which the pole
    leans by more than 0.2 rad.

    Args:
        frame_skip: Frames of 0.02 s in an env step. Defaults to 2.
        reset_noise_scale: The bound of each component of the initial state. Defaults to 0.01.
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
                "Expected a number of at least 0 for `reset_noise_scale`. "
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
    """Of states [4, E] with respect to time, under forces [E] on the cart."""
    position, angle, velocity, angular_velocity = tf.unstack(states)
    along, upwards = POLE_CENTER
    sine, cosine = tf.sin(angle), tf.cos(angle)
    ahead = along * cosine + upwards * sine  # m, of the pole's centre of mass before its hinge
    height = upwards * cosine - along * sine  # m, above it
    inertia = CART_MASS + POLE_MASS
    coupling = POLE_MASS * height
    moment = POLE_MOMENT + POLE_MASS * (along**2 + upwards**2)
    push = force - DAMPING * velocity + POLE_MASS * ahead * angular_velocity**2
    torque = POLE_MASS * GRAVITY * ahead - DAMPING * angular_velocity
    determinant = inertia * moment - coupling**2
    # The acceleration of the cart without the end of the rail, and what a newton adds to it.
    free = (moment * push - coupling * torque) / determinant
    mobility = moment / determinant
    push += _from_the_end(position, velocity, free, mobility)
    acceleration = (moment * push - coupling * torque) / determinant
    angular_acceleration = (inertia * torque - coupling * push) / determinant
    return tf.stack([velocity, angular_velocity, acceleration, angular_acceleration])


def _from_the_end(
    position: tf.Tensor, velocity: tf.Tensor, free: tf.Tensor, mobility: tf.Tensor
) -> tf.Tensor:
    """The force [E] in N by which an end of the rail pushes the cart back; 0 on the rail.

    MuJoCo's ends are soft: `reference` is the acceleration, inwards, of a critically damped spring.
    By how much of what is missing to it the force changes the acceleration is the impedance, which
    grows with the depth: of 1, the cart would move as on the spring, whatever else acts on it.

    Args:
        position: [E] m, of the cart.
        velocity: [E] m / s.
        free: [E] m / s², the cart's acceleration without this force.
        mobility: [E] m / s² of the cart by a newton.
    """
    side = tf.sign(position)
    depth = abs(position) - MAX_POSITION  # m beyond the end
    inwards = -side * velocity
    share = tf.clip_by_value(depth / IMPEDANCE_WIDTH, 0.0, 1.0)
    rising = tf.where(share < 0.5, 2 * share**2, 1 - 2 * (1 - share) ** 2)
    impedance = MIN_IMPEDANCE + (MAX_IMPEDANCE - MIN_IMPEDANCE) * rising
    stiffness = 1 / (MAX_IMPEDANCE * WAY_BACK_SECONDS) ** 2
    damping = 2 / (MAX_IMPEDANCE * WAY_BACK_SECONDS)
    reference = stiffness * impedance * depth - damping * inwards
    missing = reference + side * free
    softness = (1 - impedance) / impedance * _mobility_upright()
    pushes = (depth > 0) & (missing > 0)
    return tf.where(pushes, -side * missing / (mobility + softness), 0.0)


def _mobility_upright() -> float:
    """m / s² of the cart by a newton, with the pole upright; MuJoCo's `dof_invweight0`."""
    along, upwards = POLE_CENTER
    moment = POLE_MOMENT + POLE_MASS * math.hypot(along, upwards) ** 2
    return moment / ((CART_MASS + POLE_MASS) * moment - (POLE_MASS * upwards) ** 2)
