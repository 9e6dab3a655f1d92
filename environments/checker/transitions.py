"""Recorded env steps of a Gymnasium environment, with the states they were taken from."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from environments.checker.nests import ReadState, copy_arrays, stack_arrays
from environments.masks import MaskedObservations
from environments.protocol import State


class Outcome(NamedTuple):
    """The outcome of N env steps; O is the size of an observation."""

    observation: np.ndarray  # [N, O], before the step
    reward: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    next_observation: np.ndarray  # [N, O]
    next_state: State  # [N, …], meaningless after termination


class Transitions(NamedTuple):
    """N env steps."""

    states: State  # [N, …], before each step
    actions: np.ndarray  # [N, *action_shape], dtype of the action space
    outcome: Outcome


def collect(
    env: gymnasium.Env[Any, Any],
    read_state: ReadState,
    num_steps: int,
    max_episode_steps: int,
    seed: int,
) -> Transitions:
    """Take random actions, episode after episode, and record the env steps.

    Args:
        env: The Gymnasium environment.
        read_state: Reads its state in the structure of one compiled copy.
        num_steps: N.
        max_episode_steps: The time limit, after which episodes are truncated.
        seed: Seed for the actions and the environment.

    Raises:
        AssertionError: If the environment truncates an episode before its time limit, which a
            compiled one cannot.
    """
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    rows: list[Transitions] = []
    num_in_episode = 0
    for _ in range(num_steps):
        state, action = copy_arrays(read_state(env)), random_action(env)
        next_observation, reward, terminated, truncated, _ = env.step(action)
        outcome = Outcome(
            observation=_flat(env, observation),
            reward=np.array(reward, np.float64),
            terminated=np.array(terminated),
            next_observation=_flat(env, next_observation),
            next_state=copy_arrays(read_state(env)),
        )
        rows.append(Transitions(state, np.array(action, env.action_space.dtype), outcome))
        num_in_episode += 1
        cut_off = num_in_episode == max_episode_steps
        assert cut_off or not truncated, (
            f"Expected episodes to be truncated only by the time limit of {max_episode_steps} env "
            f"steps. Received an episode truncated after {num_in_episode}"
        )
        observation = next_observation
        if terminated or cut_off:
            observation, _ = env.reset()
            num_in_episode = 0
    return stack_arrays(rows)


def random_action(env: gymnasium.Env[Any, Any]) -> Any:
    """Draw a random action, or a random legal action if observations contain a mask."""
    if isinstance(env, MaskedObservations):
        return env.sample_legal_action()
    return env.action_space.sample()


def _flat(env: gymnasium.Env[Any, Any], observation: Any) -> np.ndarray:
    """Flatten an observation, as for a policy."""
    return np.array(spaces.flatten(env.observation_space, observation), np.float64)
