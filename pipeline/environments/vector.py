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


class Outcome(NamedTuple):
    """What one step of N copies came to."""

    rewards: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    truncated: np.ndarray  # [N]


class ParallelEnvironments(Protocol):
    """E copies of an environment, of which some take a step while the others wait."""

    num_envs: int  # E
    action_dtype: np.dtype
    max_episode_steps: int | None  # that an episode may have, by the environments' own account
    observations: np.ndarray  # [E, O], what each shows; good until the next call

    def reset(self, seed: int) -> None:
        """Begins an episode in each.

        Raises:
            CopyFault: If one of them raises anything, or returns what it should not.
        """

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """Begins another episode in copies `[K]` whose episodes have ended.

        Returns:
            Those of them that only do so in the next step, whichever copies take it.

        Raises:
            CopyFault: As `reset` does.
        """

    def step(self, copies: np.ndarray, actions: np.ndarray) -> Outcome:
        """One step of copies `[N]` within their episodes, by actions `[N, …]`.

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
        self.observations = np.zeros((self.num_envs, *shape), dtype=np.float32)

    def reset(self, seed: int) -> None:
        """See `ParallelEnvironments`; copy i gets the seed `seed + i`."""
        for i in range(self.num_envs):
            self._begin(i, seed=seed + i)

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `ParallelEnvironments`."""
        for i in copies.tolist():
            self._begin(i)
        return copies[:0]

    def step(self, copies: np.ndarray, actions: np.ndarray) -> Outcome:
        """See `ParallelEnvironments`."""
        num_copies = len(copies)
        rewards = np.empty(num_copies, dtype=np.float32)
        terminated, truncated = np.empty((2, num_copies), dtype=bool)
        for n, (i, action) in enumerate(zip(copies.tolist(), actions, strict=True)):
            try:
                outcome = self._copies[i].step(action)
                observation, rewards[n], terminated[n], truncated[n], _ = outcome
                self.observations[i] = self._checked(i, observation)
            except ANYTHING as error:
                raise _fault(error, i) from error
        return Outcome(rewards, terminated, truncated)

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        for copy in self._copies:
            close_quietly(copy)

    def _begin(self, i: int, seed: int | None = None) -> None:
        try:
            observation, _ = self._copies[i].reset(seed=seed)
            self.observations[i] = self._checked(i, observation)
        except ANYTHING as error:
            raise _fault(error, i) from error

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
        self._actions: np.ndarray | None = None

    def reset(self, seed: int) -> None:
        """See `ParallelEnvironments`."""
        try:
            observations, _ = self._environments.reset(seed=seed)
            self.observations = self._of_all("observations", observations, self._shape)
        except ANYTHING as error:
            raise _fault(error, None) from error

    def begin(self, copies: np.ndarray) -> np.ndarray:
        """See `ParallelEnvironments`; all of them begin in the next step."""
        return copies

    def step(self, copies: np.ndarray, actions: np.ndarray) -> Outcome:
        """See `ParallelEnvironments`."""
        try:
            of_all = self._environments.step(self._actions_of_all(copies, actions))
            observations, rewards, terminated, truncated, _ = of_all
            self.observations = self._of_all("observations", observations, self._shape)
            return Outcome(
                self._of_all("rewards", rewards)[copies],
                self._of_all("terminated", terminated)[copies],
                self._of_all("truncated", truncated)[copies],
            )
        except ANYTHING as error:
            raise _fault(error, None) from error

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        close_quietly(self._environments)

    def _actions_of_all(self, copies: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """`[E, …]`: those that wait step, too, and want legal actions. They get their last."""
        if self._actions is None:
            self._actions = np.repeat(actions[:1], self.num_envs, axis=0)
        self._actions = self._actions.copy()  # the environment may have kept it
        self._actions[copies] = actions
        return self._actions

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
