"""Parallel copies of a Gymnasium environment."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import FlattenObservation

from pipeline.environments.specification import EnvironmentSpecification

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

    def reset(self, seed: int) -> np.ndarray:
        """Begins an episode in each: initial observations `[E, O]`."""

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """One step of the environments where `stepping`, `[E]` bool; actions `[E, …]`.

        What is returned is only good until the next step.
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
    """
    most = MAX_VECTORIZED if _is_vectorized(specification) else MAX_SERIAL
    num_rounds = math.ceil(num_episodes / most)
    num_envs = math.ceil(num_episodes / num_rounds)  # 100 episodes: twice 50, not 64 and 36
    arguments = {
        **specification.kwargs,
        "max_episode_steps": specification.max_episode_steps,
    }
    if _is_vectorized(specification):
        native = gymnasium.make_vec(
            specification.id, num_envs, vectorization_mode="vector_entry_point", **arguments
        )
        if native.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP:
            return VectorizedEnvironments(native)
        native.close()
    copies = [gymnasium.make(specification.id, **arguments) for _ in range(num_envs)]
    if specification.has_flat_observations:
        return SerialEnvironments(copies)
    return SerialEnvironments([FlattenObservation(copy) for copy in copies])


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
        shape = copies[0].observation_space.shape
        assert shape is not None
        self._last = Transition(
            observations=np.zeros((self.num_envs, *shape), dtype=np.float32),
            rewards=np.zeros(self.num_envs, dtype=np.float32),
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=np.zeros(self.num_envs, dtype=bool),
        )

    def reset(self, seed: int) -> np.ndarray:
        """See `ParallelEnvironments`; copy i gets the seed `seed + i`."""
        for i, copy in enumerate(self._copies):
            self._begin(i, copy.reset(seed=seed + i)[0])
        return self._last.observations

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """See `ParallelEnvironments`."""
        last = self._last
        for i in np.flatnonzero(stepping).tolist():
            if last.terminated[i] or last.truncated[i]:
                self._begin(i, self._copies[i].reset()[0])
                continue
            observation, reward, terminated, truncated, _ = self._copies[i].step(actions[i])
            last.observations[i] = observation
            last.rewards[i] = reward
            last.terminated[i] = terminated
            last.truncated[i] = truncated
        return last

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        for copy in self._copies:
            copy.close()

    def _begin(self, i: int, observation: np.ndarray) -> None:
        self._last.observations[i] = observation
        self._last.rewards[i] = 0
        self._last.terminated[i] = self._last.truncated[i] = False


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
        self.num_envs = environments.num_envs
        self.action_dtype = _action_dtype(environments.single_action_space)

    def reset(self, seed: int) -> np.ndarray:
        """See `ParallelEnvironments`."""
        return np.asarray(self._environments.reset(seed=seed)[0])

    def step(self, actions: np.ndarray, stepping: np.ndarray) -> Transition:
        """See `ParallelEnvironments`."""
        del stepping
        observations, rewards, terminated, truncated, _ = self._environments.step(actions)
        return Transition(*map(np.asarray, (observations, rewards, terminated, truncated)))

    def close(self) -> None:
        """See `ParallelEnvironments`."""
        self._environments.close()


def _action_dtype(space: gymnasium.Space[Any]) -> np.dtype:
    assert space.dtype is not None  # of the spaces that policies serve
    return space.dtype
