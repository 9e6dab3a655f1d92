"""Env steps that a Gymnasium environment took, and the states in which it took them."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from environments.checker.nests import ReadState, copied, stacked
from environments.masks import MaskedObservations
from environments.protocol import State


class Outcome(NamedTuple):
    """The outcome of N env steps; O is the size of an observation."""

    observation: np.ndarray  # [N, O] of the state in which the step is taken
    reward: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    next_observation: np.ndarray  # [N, O]
    next_state: State  # [N, …], of no meaning behind a step that terminates


class Transitions(NamedTuple):
    """N env steps."""

    states: State  # [N, …] in which they are taken
    actions: np.ndarray  # [N, *action_shape] in the action space's dtype
    outcome: Outcome


def collect(
    env: gymnasium.Env[Any, Any],
    read_state: ReadState,
    num_steps: int,
    max_episode_steps: int,
    seed: int,
) -> Transitions:
    """Takes random actions, episode after episode.

    Args:
        env: The Gymnasium environment.
        read_state: Reads its state as the compiled environment holds it.
        num_steps: N.
        max_episode_steps: Cuts episodes off.
        seed: Of the actions and of the environment.

    Raises:
        AssertionError: If the environment truncates an episode before its time limit, which a
            compiled one cannot.
    """
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    rows: list[Transitions] = []
    num_in_episode = 0
    for _ in range(num_steps):
        state, action = copied(read_state(env)), random_action(env)
        next_observation, reward, terminated, truncated, _ = env.step(action)
        outcome = Outcome(
            observation=_flat(env, observation),
            reward=np.array(reward, np.float64),
            terminated=np.array(terminated),
            next_observation=_flat(env, next_observation),
            next_state=copied(read_state(env)),
        )
        rows.append(Transitions(state, np.array(action, env.action_space.dtype), outcome))
        num_in_episode += 1
        cut_off = num_in_episode == max_episode_steps
        assert cut_off or not truncated, (
            f"Expected episodes that are cut off by their time limit of {max_episode_steps} env "
            f"steps alone. Received: one truncated after {num_in_episode}"
        )
        observation = next_observation
        if terminated or cut_off:
            observation, _ = env.reset()
            num_in_episode = 0
    return stacked(rows)


def random_action(env: gymnasium.Env[Any, Any]) -> Any:
    """Draw one of all actions; of the legal ones, where the environment's mask is observed."""
    if isinstance(env, MaskedObservations):
        return env.sample_legal_action()
    return env.action_space.sample()


def _flat(env: gymnasium.Env[Any, Any], observation: Any) -> np.ndarray:
    """The observation as the policy sees it."""
    return np.array(spaces.flatten(env.observation_space, observation), np.float64)
