"""Parallel copies of a Gymnasium environment."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import FlattenObservation

from pipeline.environments.faults import ANYTHING, CopyFault, close_quietly
from pipeline.environments.specification import EnvironmentSpecification
from pipeline.errors import UserError

# Beyond it the call of the policy is no longer what an env step costs.
MAX_SERIAL, MAX_VECTORIZED = 64, 512


class Transition(NamedTuple):
    """What one step of E parallel environments led to; meaningless where none was taken."""

    observations: np.ndarray  # [E, O]
    rewards: np.ndarray  # [E]
    terminated: np.ndarray  # [E]
    truncated: np.ndarray  # [E]


class ParallelEnvironments(Protocol):
    """E parallel environments, of which some take a step while the others wait.

    The step after an episode's end resets the environment, whatever the action (Gymnasium's
    next-step autoreset): a dead step.
    """

    num_envs: int  # E
    action_dtype: np.dtype
    max_episode_steps: int | None  # that an episode may have, by the environments' own account

    def reset(self, seed: int) -> np.ndarray:
        """Begins an episode in each: initial observations `[E, O]`.

        Raises:
            CopyFault: If one of them raises anything, or returns what it should not.
        """

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """One step of the environments where `stepping`, `[E]` bool; actions `[E, …]`.

        What is returned is only good until the next step.

        Raises:
            CopyFault: As `reset` does.
        """

    def close(self) -> None:
        """Frees what they hold."""


def make_environments(
    specification: EnvironmentSpecification, num_episodes: int
) -> ParallelEnvironments:
    """The parallel copies in which `num_episodes` episodes are sampled.

    The environment's own vector entry point is used where it has one; else its copies are stepped
    one after the other, which was faster than worker processes everywhere tried. Either way an
    observation is a vector, flattened by Gymnasium where it was none.

    Args:
        specification: The environment.
        num_episodes: How many episodes are to be sampled at a time.

    Raises:
        UserError: If they cannot be made.
    """
    try:
        environments = _make(specification, num_episodes)
    except ANYTHING as error:
        raise UserError(
            f"expected parallel copies of {specification.id} that can be made with "
            f"{dict(specification.kwargs)!r}, received {type(error).__name__}: {error}"
        ) from error
    environments.max_episode_steps = specification.max_episode_steps
    return environments


def _make(specification: EnvironmentSpecification, num_episodes: int) -> ParallelEnvironments:
    arguments = {
        **specification.kwargs,
        "max_episode_steps": specification.max_episode_steps,
    }
    if _is_vectorized(specification):
        # gymnasium.make's own keyword, which make_vec would hand to the environment
        others = {name: v for name, v in arguments.items() if name != "disable_env_checker"}
        num_envs = _num_copies(num_episodes, MAX_VECTORIZED)
        native = gymnasium.make_vec(
            specification.id, num_envs, vectorization_mode="vector_entry_point", **others
        )
        if native.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP:
            return VectorizedEnvironments(native)
        close_quietly(native)
    num_envs = _num_copies(num_episodes, MAX_SERIAL)
    copies = [gymnasium.make(specification.id, **arguments) for _ in range(num_envs)]
    if specification.has_flat_observations:
        return SerialEnvironments(copies)
    return SerialEnvironments([FlattenObservation(copy) for copy in copies])


def _num_copies(num_episodes: int, most: int) -> int:
    num_rounds = math.ceil(num_episodes / most)
    return math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36


def _is_vectorized(specification: EnvironmentSpecification) -> bool:
    return specification.has_vector_entry_point and specification.has_flat_observations


class SerialEnvironments(ParallelEnvironments):
    """Copies that are stepped one after the other; those that wait cost nothing.

    Gymnasium's own SyncVectorEnv steps all its copies, those whose episodes are over too.

    Args:
        copies: Environments with observations that are vectors.
    """

    def __init__(self, copies: Sequence[gymnasium.Env[Any, Any]]) -> None:
        self._copies = copies
        self.num_envs = len(copies)
        self.action_dtype = _action_dtype(copies[0].action_space)
        self.max_episode_steps = None
        shape = copies[0].observation_space.shape
        assert shape is not None
        self._shape = shape
        self._last = Transition(
            observations=np.zeros((self.num_envs, *shape), dtype=np.float32),
            rewards=np.zeros(self.num_envs, dtype=np.float32),
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=np.zeros(self.num_envs, dtype=bool),
        )

    def reset(self, seed: int) -> np.ndarray:
        """See `ParallelEnvironments`; copy i gets the seed `seed + i`."""
        for i in range(self.num_envs):
            self._begin(i, seed=seed + i)
        return self._last.observations

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """See `ParallelEnvironments`."""
        observations, rewards, terminated, truncated = last = self._last
        over = terminated | truncated
        for i in np.flatnonzero(stepping & over).tolist():
            self._begin(i)
        going_on = np.flatnonzero(stepping & ~over)
        for i, action in zip(going_on.tolist(), actions[going_on], strict=True):
            try:
                outcome = self._copies[i].step(action)
                observation, rewards[i], terminated[i], truncated[i], _ = outcome
                observations[i] = self._checked(i, observation)
            except ANYTHING as error:
                raise _fault(error, i) from error
        return last

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        for copy in self._copies:
            close_quietly(copy)

    def _begin(self, i: int, seed: int | None = None) -> None:
        try:
            observation, _ = self._copies[i].reset(seed=seed)
            self._last.observations[i] = self._checked(i, observation)
        except ANYTHING as error:
            raise _fault(error, i) from error
        self._last.rewards[i] = 0
        self._last.terminated[i] = self._last.truncated[i] = False

    def _checked(self, i: int, observation: Any) -> np.ndarray:
        array = np.asarray(observation)
        if array.shape != self._shape:  # NumPy would fill what is missing
            raise CopyFault(_expected_shape("an observation", self._shape, array), i)
        return array


class VectorizedEnvironments(ParallelEnvironments):
    """Copies that can only step all at once, those that could wait with the others.

    Args:
        environments: They reset themselves by next-step autoreset.

    Raises:
        ValueError: If they reset themselves in another way.
    """

    def __init__(self, environments: VectorEnv) -> None:
        if environments.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
            raise ValueError(
                "Expected environments with next-step autoreset. Received: autoreset_mode="
                f"{environments.metadata.get('autoreset_mode')}"
            )
        self._environments = environments
        self.max_episode_steps = None
        self.num_envs = environments.num_envs
        self.action_dtype = _action_dtype(environments.single_action_space)
        shape = environments.single_observation_space.shape
        assert shape is not None
        self._shape = shape

    def reset(self, seed: int) -> np.ndarray:
        """See `ParallelEnvironments`."""
        try:
            observations, _ = self._environments.reset(seed=seed)
            return self._of_all("observations", observations, self._shape)
        except ANYTHING as error:
            raise _fault(error, None) from error

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """See `ParallelEnvironments`."""
        del stepping
        try:
            observations, rewards, terminated, truncated, _ = self._environments.step(actions)
            return Transition(
                self._of_all("observations", observations, self._shape),
                self._of_all("rewards", rewards),
                self._of_all("terminated", terminated),
                self._of_all("truncated", truncated),
            )
        except ANYTHING as error:
            raise _fault(error, None) from error

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        close_quietly(self._environments)

    def _of_all(self, name: str, values: Any, shape: tuple[int, ...] = ()) -> np.ndarray:
        array = np.asarray(values)
        if array.shape != (self.num_envs, *shape):
            raise CopyFault(_expected_shape(name, (self.num_envs, *shape), array), None)
        return array


def _fault(error: BaseException, copy: int | None) -> CopyFault:
    if isinstance(error, CopyFault):
        return error
    return CopyFault(f"{type(error).__name__}: {' '.join(str(error).split())}", copy)


def _expected_shape(name: str, shape: tuple[int, ...], received: Any) -> str:
    return f"expected {name} of shape {shape}, received {np.shape(received)}"


def _action_dtype(space: gymnasium.Space[Any]) -> np.dtype:
    assert space.dtype is not None  # of the spaces that policies serve
    return space.dtype
