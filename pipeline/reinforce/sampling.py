"""Sampling complete episodes: one function for rollout, training and evaluation."""

from typing import NamedTuple, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from models.action import Action
from pipeline.reinforce.episodes import Episodes


class Act(Protocol):
    """Chooses actions: observations `[E, O]` float32, stateless seed `[2]` int32 → Action."""

    def __call__(self, observations: np.ndarray, seed: np.ndarray) -> Action: ...


class _Step(NamedTuple):
    """One step of all E parallel copies, with where it belongs in the batch of episodes."""

    recorded: np.ndarray  # [E] bool, False for dead steps and for copies with no episode left
    episode: np.ndarray  # [E] row
    step: np.ndarray  # [E] column
    observations: np.ndarray  # [E, O]
    action: np.ndarray  # [E, *action_shape], as it was sampled
    log_prob: np.ndarray  # [E]
    reward: np.ndarray  # [E]
    terminated: np.ndarray  # [E]
    truncated: np.ndarray  # [E]


def sample_episodes(
    environments: VectorEnv, act: Act, num_episodes: int, seed: np.random.SeedSequence
) -> Episodes:
    """Samples exactly `num_episodes` complete episodes.

    Episodes are numbered as they start, the first E at once and each later one in the first copy to
    become free; those numbered below `num_episodes` are all finished and kept. Which episodes are
    kept is thus settled before any of them has run, whatever their lengths: keeping the first to
    finish would favour short ones. The dead step after each end (Gymnasium's next-step autoreset)
    is not recorded.

    Args:
        environments: E parallel copies that reset themselves by next-step autoreset.
        act: The policy.
        num_episodes: B ≥ 1.
        seed: Determines initial states, transitions and actions, together with E.

    Returns:
        The episodes, as NumPy arrays, padded to the longest.

    Raises:
        ValueError: If the copies reset themselves in another way.
        FloatingPointError: If the policy's log-probabilities are not finite.
    """
    if environments.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
        raise ValueError(
            "Expected environments with next-step autoreset. Received: autoreset_mode="
            f"{environments.metadata.get('autoreset_mode')}"
        )
    steps = _run(environments, act, num_episodes, np.random.default_rng(seed))
    return _batch(_Step(*map(np.stack, zip(*steps, strict=True))), num_episodes)


def _run(
    environments: VectorEnv, act: Act, num_episodes: int, generator: np.random.Generator
) -> list[_Step]:
    """Steps all copies together until the last of the episodes has ended."""
    num_envs = environments.num_envs
    action_dtype = environments.single_action_space.dtype
    observations, _ = environments.reset(seed=int(generator.integers(2**31)))
    episode = np.arange(num_envs)  # number of the episode in each copy
    step = np.zeros(num_envs, dtype=np.int64)  # its next step
    num_started, num_finished = num_envs, 0
    resetting = np.zeros(num_envs, dtype=bool)  # whether the copy's next step is its dead one
    steps = []
    while num_finished < num_episodes:
        observations = np.array(observations, dtype=np.float32)
        seed = generator.integers(-(2**31), 2**31, size=2, dtype=np.int32)
        action = Action(*map(np.asarray, act(observations, seed)))
        if not np.isfinite(action.log_prob).all():
            raise FloatingPointError("the policy's log-probabilities are not finite")
        following, reward, terminated, truncated, _ = environments.step(
            action.action.astype(action_dtype, copy=False)
        )
        recorded = ~resetting & (episode < num_episodes)
        steps.append(
            _Step(
                recorded=recorded,
                episode=episode.copy(),
                step=step.copy(),
                observations=observations,
                action=action.raw_action,
                log_prob=action.log_prob,
                reward=np.array(reward, dtype=np.float32),
                terminated=np.array(terminated),
                truncated=np.array(truncated),
            )
        )
        step += 1
        num_resetting = int(np.count_nonzero(resetting))
        step[resetting] = 0
        episode[resetting] = num_started + np.arange(num_resetting)
        num_started += num_resetting
        resetting = terminated | truncated  # never during a dead step
        num_finished += int(np.count_nonzero(resetting & recorded))
        observations = following
    return steps


def _batch(steps: _Step, num_episodes: int) -> Episodes:
    """Sorts recorded steps, each field `[S, E, …]`, into episodes `[B, T, …]`."""
    recorded = steps.recorded
    rows, columns = steps.episode[recorded], steps.step[recorded]
    num_steps = columns.max() + 1

    def place(values: np.ndarray) -> np.ndarray:
        batch = np.zeros((num_episodes, num_steps, *values.shape[2:]), values.dtype)
        batch[rows, columns] = values[recorded]
        return batch

    return Episodes(
        observations=place(steps.observations),
        actions=place(steps.action),
        log_probs=place(steps.log_prob),
        rewards=place(steps.reward),
        terminated=place(steps.terminated),
        truncated=place(steps.truncated),
        valid=place(np.ones_like(recorded)),
    )
