"""Copies of Gymnasium's MuJoCo environments that share one model."""

from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import gymnasium
import mujoco
import numpy as np

from environments.faults import close_quietly, copy_fault, raising, require_numbers
from environments.vector.mujoco_rules import State, find_rule
from environments.vector.protocol import StepOutcome, VectorEnvironments, array_types


class MujocoEnvironments(VectorEnvironments):
    """Copies that MuJoCo simulates one after the other; their rule is applied to all at once.

    Everything they return is what `SerialEnvironments` returns, bit for bit. A copy is a
    `mujoco.MjData` and a random generator: nothing else of these environments changes in an
    episode, except the count of its steps.

    Args:
        env: The environment, which has a rule (see `find_rule`) and a time limit. Its own code
            resets each copy.
        num_envs: E.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], num_envs: int) -> None:
        rule, spec = find_rule(env), env.spec
        assert rule is not None
        assert spec is not None
        assert spec.max_episode_steps is not None
        self.num_envs = num_envs
        self.max_episode_steps = None
        self._shape, self.action_dtype = array_types(env.observation_space, env.action_space)
        self.observations = np.zeros((num_envs, *self._shape))  # float64
        self._env, self._rule, self._time_limit = env, rule, spec.max_episode_steps
        self._inner = cast(Any, env.unwrapped)
        # For the rule; reading Gymnasium's property `dt` takes as long as three array operations.
        self._attributes = SimpleNamespace(**vars(self._inner), dt=self._inner.dt)
        self._copies = [_make_copy(self._inner.model, rule.fields) for _ in range(num_envs)]
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._num_steps = np.zeros(num_envs, dtype=int)
        ends = np.cumsum([field.size for field in self._copies[0].fields]).tolist()
        self._columns = list(zip(rule.fields, map(slice, [0, *ends], ends), strict=False))
        self._states = np.zeros((num_envs, ends[-1]))  # the fields of each copy, side by side

    def reset(self, seed: int) -> None:
        """See `VectorEnvironments`; copy i gets the seed `seed + i`."""
        for i in range(self.num_envs):
            self._begin(i, seed=seed + i)

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `VectorEnvironments`."""
        for i in copies.tolist():
            self._begin(i)
        return copies[:0]

    def step(self, copies: np.ndarray, actions: np.ndarray) -> StepOutcome:
        """See `VectorEnvironments`."""
        actions = np.ascontiguousarray(actions)
        before, i = self._states.take(copies, axis=0), 0  # faster than indexing
        fields = [self._states[0, :0]]  # to concatenate even if no copy takes a step
        model, num_frames = self._inner.model, self._inner.frame_skip
        try:
            for i, action in zip(copies.tolist(), actions, strict=True):
                copy = self._copies[i]
                copy.ctrl[:] = action
                mujoco.mj_step(model, copy.data, num_frames)
                if "cfrc_ext" in self._rule.fields:  # the forces that only this call computes
                    mujoco.mj_rnePostConstraint(model, copy.data)
                fields += copy.fields
            after = np.concatenate(fields).reshape(before.shape)
            observations, rewards, terminated = self._rule.transition(
                self._attributes, self._split(before), self._split(after), actions
            )
            self.observations[copies] = observations
        except Exception as error:  # of MuJoCo or NumPy
            raise copy_fault(error, i) from error
        self._states[copies] = after
        self._num_steps[copies] = num_steps = self._num_steps.take(copies) + 1
        truncated = num_steps >= self._time_limit
        return StepOutcome(rewards.astype(np.float32), terminated, truncated)

    def close(self) -> None:
        """See `VectorEnvironments`."""
        close_quietly(self._env)

    def _begin(self, i: int, seed: int | None = None) -> None:
        copy, inner = self._copies[i], self._inner
        inner.data, inner._np_random = copy.data, self._generators[i]
        with raising(lambda error: copy_fault(error, i)):
            observation, _ = self._env.reset(seed=seed)
            self.observations[i] = require_numbers("the observation", observation, self._shape, i)
        self._generators[i] = inner._np_random
        np.concatenate(copy.fields, out=self._states[i])
        self._num_steps[i] = 0

    def _split(self, states: np.ndarray) -> State:
        return {name: states[:, columns] for name, columns in self._columns}


class _Copy(NamedTuple):
    """MuJoCo's state of a copy, and views of parts of it."""

    data: mujoco.MjData
    ctrl: np.ndarray
    fields: list[np.ndarray]  # flat, those that the rule reads


def _make_copy(model: mujoco.MjModel, fields: tuple[str, ...]) -> _Copy:
    data = mujoco.MjData(model)
    return _Copy(data, data.ctrl, [getattr(data, field).reshape(-1) for field in fields])
