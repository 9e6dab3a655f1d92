"""Rules of Gymnasium's MuJoCo environments for many copies: observation, reward and termination.

All numbers are Gymnasium's, bit for bit. So each operation has Gymnasium's types and order, and all
constants are read from the Gymnasium environment. The functions named after environments are
Gymnasium's `step` after the simulation.

In the shapes, N is the number of copies, A the number of actuators.

Source: Gymnasium 1.4, `gymnasium/envs/mujoco/*_v5.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

State = Mapping[str, np.ndarray]  # some fields of `mujoco.MjData`, each [N, size of the field]


class Transition(NamedTuple):
    """The result of one env step in N copies, without the time limit."""

    observations: np.ndarray  # [N, O] float64
    rewards: np.ndarray  # [N] float64, or int64 as in Gymnasium
    terminated: np.ndarray  # [N] bool


class Rule(NamedTuple):
    """The rule of an environment.

    `transition` takes the attributes of the unwrapped Gymnasium environment, the states before and
    after the simulation, and the actions `[N, A]`, a contiguous array.
    """

    transition: Callable[[Any, State, State, np.ndarray], Transition]
    fields: tuple[str, ...] = ("qpos", "qvel")  # of State


def find_rule(env: gymnasium.Env[Any, Any]) -> Rule | None:
    """Return the rule of an environment; None if only Gymnasium can step it.

    There are rules for the environments themselves. Subclasses may differ, and so may environments
    in other wrappers than those of every `gymnasium.make`. Rendering shows a single copy.
    """
    while type(env) in (TimeLimit, OrderEnforcing, PassiveEnvChecker):
        env = env.env  # type: ignore[attr-defined]  # a wrapper
    rule = RULES.get(f"{type(env).__module__}:{type(env).__qualname__}")
    return rule if env.render_mode is None else None


def half_cheetah(env: Any, before: State, after: State, actions: np.ndarray) -> Transition:
    """Apply the rule of HalfCheetah and Swimmer, which never terminate."""
    velocities = _velocities(env, before["qpos"], after["qpos"])
    rewards = env._forward_reward_weight * velocities - _control_cost(env, actions)
    observations = np.concatenate((_positions(env, after), after["qvel"]), axis=1)
    return Transition(observations, rewards, np.zeros(len(rewards), dtype=bool))


def hopper(env: Any, before: State, after: State, actions: np.ndarray) -> Transition:
    """Apply the rule of Hopper."""
    states = np.concatenate((after["qpos"], after["qvel"]), axis=1)[:, 2:]
    is_healthy = _within(states, env._healthy_state_range).all(axis=1) & _is_upright(env, after)
    return _walk(env, before, after, actions, is_healthy)


def walker2d(env: Any, before: State, after: State, actions: np.ndarray) -> Transition:
    """Apply the rule of Walker2d."""
    return _walk(env, before, after, actions, _is_upright(env, after))


def ant(env: Any, before: State, after: State, actions: np.ndarray) -> Transition:
    """Apply the rule of Ant."""
    body = 3 * env.data.body(env._main_body).id  # the column of its x position
    velocities = _velocities(env, before["xpos"], after["xpos"], body)
    z = after["qpos"][:, 2]
    min_z, max_z = env._healthy_z_range
    is_finite = np.isfinite(after["qpos"]).all(axis=1) & np.isfinite(after["qvel"]).all(axis=1)
    is_healthy = is_finite & (min_z <= z) & (z <= max_z)
    forces = np.clip(after["cfrc_ext"], *env._contact_force_range)
    contact_cost = env._contact_cost_weight * np.sum(np.square(forces), axis=-1)
    parts = [_positions(env, after), after["qvel"]]
    if env._include_cfrc_ext_in_observation:
        parts.append(forces[:, 6:])  # without the world's
    costs = _control_cost(env, actions) + contact_cost
    return _survive(env, np.concatenate(parts, axis=1), velocities, is_healthy, costs)


def humanoid(env: Any, before: State, after: State, _actions: np.ndarray) -> Transition:
    """Apply the rule of Humanoid."""
    velocities = _velocities(env, _mass_centers(env, before), _mass_centers(env, after))
    contact_cost = env._contact_cost_weight * np.sum(np.square(after["cfrc_ext"]), axis=-1)
    # MuJoCo's copy of the actions, in float64, and 0 if it had to reset an unstable simulation.
    costs = _control_cost(env, after["ctrl"]) + np.clip(contact_cost, *env._contact_cost_range)
    parts = [_positions(env, after), after["qvel"]]
    for name, start in [("cinert", 10), ("cvel", 6), ("qfrc_actuator", 6), ("cfrc_ext", 6)]:
        if getattr(env, f"_include_{name}_in_observation") is True:
            parts.append(after[name][:, start:])  # without the world's, or the free joint's
    is_healthy = _within(after["qpos"][:, 2], env._healthy_z_range)
    return _survive(env, np.concatenate(parts, axis=1), velocities, is_healthy, costs)


def reacher(env: Any, _before: State, after: State, actions: np.ndarray) -> Transition:
    """Apply the rule of Reacher, which never terminates."""
    fingertips, targets = (
        after["xpos"][:, 3 * body : 3 * body + 3]
        for body in (env.data.body("fingertip").id, env.data.body("target").id)
    )
    vectors = fingertips - targets
    # np.linalg.norm of one vector uses BLAS, and so does vecdot; a sum of squares may differ.
    rewards = -np.sqrt(np.vecdot(vectors, vectors)) * env._reward_dist_weight
    rewards = rewards + -np.square(actions).sum(axis=-1) * env._reward_control_weight
    angles, goals = np.ascontiguousarray(after["qpos"][:, :2]), after["qpos"][:, 2:]
    parts = (np.cos(angles), np.sin(angles), goals, after["qvel"][:, :2], vectors[:, :2])
    return Transition(np.concatenate(parts, axis=1), rewards, np.zeros(len(rewards), dtype=bool))


def inverted_pendulum(_env: Any, _before: State, after: State, _actions: np.ndarray) -> Transition:
    """Apply the rule of InvertedPendulum."""
    observations = np.concatenate((after["qpos"], after["qvel"]), axis=1)
    terminated = ~np.isfinite(observations).all(axis=1) | (np.abs(observations[:, 1]) > 0.2)
    return Transition(observations, (~terminated).astype(int), terminated)


def inverted_double_pendulum(
    env: Any, _before: State, after: State, _actions: np.ndarray
) -> Transition:
    """Apply the rule of InvertedDoublePendulum."""
    x, y = after["site_xpos"][:, 0], after["site_xpos"][:, 2]
    v1, v2 = after["qvel"][:, 1], after["qvel"][:, 2]
    terminated = y <= 1
    dist_penalty = 0.01 * _scalar_squares(x) + _scalar_squares(y - 2)
    vel_penalty = 1e-3 * _scalar_squares(v1) + 5e-3 * _scalar_squares(v2)
    rewards = env._healthy_reward * ~terminated - dist_penalty - vel_penalty
    angles = np.ascontiguousarray(after["qpos"][:, 1:])
    forces = np.clip(after["qfrc_constraint"][:, :1], -10, 10)
    parts = (after["qpos"][:, :1], np.sin(angles), np.cos(angles), _slow(after), forces)
    return Transition(np.concatenate(parts, axis=1), rewards, terminated)


def _walk(
    env: Any, before: State, after: State, actions: np.ndarray, is_healthy: np.ndarray
) -> Transition:
    velocities = _velocities(env, before["qpos"], after["qpos"])
    observations = np.concatenate((_positions(env, after), _slow(after)), axis=1)
    return _survive(env, observations, velocities, is_healthy, _control_cost(env, actions))


def _survive(
    env: Any,
    observations: np.ndarray,
    velocities: np.ndarray,
    is_healthy: np.ndarray,
    costs: np.ndarray,
) -> Transition:
    """Reward velocities and health, and terminate the episodes of unhealthy copies."""
    rewards = env._forward_reward_weight * velocities + is_healthy * env._healthy_reward - costs
    return Transition(observations, rewards, ~is_healthy & bool(env._terminate_when_unhealthy))


def _velocities(env: Any, before: np.ndarray, after: np.ndarray, component: int = 0) -> np.ndarray:
    """Return the mean velocities `[N]` along x from positions `[N, …]` before and after."""
    return (after[:, component] - before[:, component]) / env.dt


def _positions(env: Any, state: State) -> np.ndarray:
    """Return the positions that are observed."""
    return state["qpos"][:, env.observation_structure["skipped_qpos"] :]


def _slow(state: State) -> np.ndarray:
    """Return the velocities, clipped to ±10."""
    return np.clip(state["qvel"], -10, 10)


def _control_cost(env: Any, actions: np.ndarray) -> np.ndarray:
    return env._ctrl_cost_weight * np.square(actions).sum(axis=-1)  # in the actions' dtype


def _is_upright(env: Any, state: State) -> np.ndarray:
    z, angle = state["qpos"][:, 1], state["qpos"][:, 2]
    return _within(z, env._healthy_z_range) & _within(angle, env._healthy_angle_range)


def _within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    low, high = bounds
    return (low < values) & (values < high)


def _mass_centers(env: Any, state: State) -> np.ndarray:
    """Return the positions `[N, 3]` of the centers of mass."""
    masses = env.model.body_mass
    bodies = state["xipos"].reshape(-1, len(masses), 3)
    return np.einsum("b,nbj->nj", masses, bodies) / masses.sum()


def _scalar_squares(values: np.ndarray) -> np.ndarray:
    """Square by `pow`, as in `x**2` of a scalar; for an array, `**` multiplies, and bits differ."""
    return np.array([value**2 for value in values.tolist()])


MODULE = "gymnasium.envs.mujoco"
RULES = {
    f"{MODULE}.ant_v5:AntEnv": Rule(ant, ("qpos", "qvel", "xpos", "cfrc_ext")),
    f"{MODULE}.half_cheetah_v5:HalfCheetahEnv": Rule(half_cheetah),
    f"{MODULE}.hopper_v5:HopperEnv": Rule(hopper),
    f"{MODULE}.humanoid_v5:HumanoidEnv": Rule(
        humanoid,
        ("qpos", "qvel", "xipos", "ctrl", "cinert", "cvel", "qfrc_actuator", "cfrc_ext"),
    ),
    f"{MODULE}.inverted_double_pendulum_v5:InvertedDoublePendulumEnv": Rule(
        inverted_double_pendulum, ("qpos", "qvel", "site_xpos", "qfrc_constraint")
    ),
    f"{MODULE}.inverted_pendulum_v5:InvertedPendulumEnv": Rule(inverted_pendulum),
    f"{MODULE}.reacher_v5:ReacherEnv": Rule(reacher, ("qpos", "qvel", "xpos")),
    f"{MODULE}.swimmer_v5:SwimmerEnv": Rule(half_cheetah),
    f"{MODULE}.walker2d_v5:Walker2dEnv": Rule(walker2d),
}
