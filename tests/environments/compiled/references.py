"""The Gymnasium environments that compiled ones are compared with, and their states."""

import copy
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
from gymnasium.envs.mujoco import MujocoEnv

from environments.checker import collect
from environments.compiled.acrobot import AcrobotState
from environments.compiled.bandit import BanditState
from environments.compiled.cartpole import CartPoleState
from environments.compiled.inverted_pendulum import InvertedPendulumState
from environments.compiled.mountain_car import MountainCarState
from environments.compiled.pendulum import PendulumState
from environments.make import make_compiled
from environments.specification import inspect_environment

HOST_ONLY = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "Print", "PrintV2", "Assert"}


def next_draw(env):
    """Return the number that the bandit will draw next, without changing its generator."""
    return BanditState(copy.deepcopy(env.unwrapped.np_random).random())


READ_STATE: dict[str, Any] = {
    "Acrobot-v1": lambda env: AcrobotState(*env.unwrapped.state),
    "Bandit-v0": next_draw,
    "CartPole-v1": lambda env: CartPoleState(*env.unwrapped.state),
    "InvertedPendulum-v5": lambda env: InvertedPendulumState(*env.unwrapped.state_vector()),
    "MountainCar-v0": lambda env: MountainCarState(*env.unwrapped.state),
    "MountainCarContinuous-v0": lambda env: MountainCarState(*env.unwrapped.state),
    "Pendulum-v1": lambda env: PendulumState(*env.unwrapped.state),
}
IDS = list(READ_STATE)


def make(env_id, **kwargs):
    """Make a compiled environment as the pipeline does."""
    return make_compiled(inspect_environment(env_id, kwargs))


def seeded(number):
    return tf.constant([number, 0], tf.int32)


class StartsFrom(gymnasium.Wrapper):
    """Episodes of one step from given states, with actions from a given space."""

    def __init__(self, env, states, action_space):
        super().__init__(env)
        self.action_space = action_space
        self._states = iter(states)

    def reset(self, *, seed=None, options=None):
        observation, info = self.env.reset(seed=seed, options=options)
        state = next(self._states, None)
        if state is None:  # no states are left
            return observation, info
        env: Any = self.env.unwrapped
        if isinstance(env, MujocoEnv):
            env.set_state(*np.split(state, 2))
            return state, info
        env.state = state
        for name in ("_get_obs", "_get_ob"):  # Pendulum's, Acrobot's
            if hasattr(env, name):
                return getattr(env, name)(), info
        return state, info


def steps_from(env_id, states, action_space=None, **kwargs):
    """Take an env step of the Gymnasium environment from each state, by a random action."""
    env = gymnasium.make(env_id, **kwargs)
    env = StartsFrom(env, states, action_space or env.action_space)
    return collect(env, READ_STATE[env_id], len(states), max_episode_steps=1, seed=0)
