"""Sampling complete episodes: one function for rollout, training and evaluation."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from models.action import Action
from pipeline.environments.faults import CopyFault, EnvironmentFault, require_finite
from pipeline.environments.vector import ParallelEnvironments
from pipeline.reinforce.episodes import Episodes


class Act(Protocol):
    """Chooses actions: observations `[N, O]` float32, stateless seed `[2]` int32 → Action."""

    def __call__(self, observations: np.ndarray, seed: np.ndarray) -> Action: ...


class _Steps(NamedTuple):
    """N steps, with where they belong in the batch of episodes."""

    episode: np.ndarray  # [N] row
    step: np.ndarray  # [N] column
    observations: np.ndarray  # [N, O]
    action: np.ndarray  # [N, *action_shape], as it was sampled
    log_prob: np.ndarray  # [N]
    reward: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    truncated: np.ndarray  # [N]


def sample_episodes(
    environments: ParallelEnvironments, act: Act, num_episodes: int, seed: np.random.SeedSequence
) -> Episodes:
    """Samples exactly `num_episodes` complete episodes.

    Episodes are numbered as they start, the first E at once and each later one in the first
    environment to become free; those numbered below `num_episodes` are all finished and kept. Which
    episodes are kept is thus settled before any of them has run, whatever their lengths: keeping
    the first to finish would favour short ones. An environment with no episode left takes no more
    steps, and the policy is asked for the actions that are taken, no others.

    Args:
        environments: E parallel environments.
        act: The policy.
        num_episodes: B ≥ 1.
        seed: Determines initial states, transitions and actions, together with E.

    Returns:
        The episodes, as NumPy arrays, padded to the longest.

    Raises:
        FloatingPointError: If the policy's log-probabilities are not finite.
        EnvironmentFault: If an environment raises anything, returns what it should not or what is
            not finite, or goes beyond its own time limit.
    """
    steps = _run(environments, act, num_episodes, np.random.default_rng(seed))
    episodes = _batch(_Steps(*map(np.concatenate, zip(*steps, strict=True))), num_episodes)
    require_finite("observation", episodes.observations, episodes.valid)
    require_finite("reward", episodes.rewards, episodes.valid)
    return episodes


def _run(
    environments: ParallelEnvironments, act: Act, num_episodes: int, generator: np.random.Generator
) -> list[_Steps]:
    """Steps all environments together until the last of the episodes has ended."""
    try:
        observations = environments.reset(int(generator.integers(2**31)))
    except CopyFault as fault:
        raise EnvironmentFault(f"episode {fault.copy or 0}, reset: {fault}") from fault
    seeds = _stateless_seeds(generator)
    num_started = environments.num_envs
    episode = np.arange(num_started)  # number of the episode in each environment
    step = np.zeros_like(episode)  # its next step
    resetting = np.zeros(num_started, dtype=bool)  # whether the next step is a dead one
    # Environments that step together all want legal actions, those in a dead step too: their last.
    actions: np.ndarray | None = None
    steps = []
    while (stepping := episode < num_episodes).any():
        acting = np.flatnonzero(stepping & ~resetting)
        if acting.size:
            seen = np.asarray(observations[acting], dtype=np.float32)
            action = Action(*map(np.asarray, act(seen, next(seeds))))
            if not np.isfinite(action.log_prob).all():
                _require_finite_observations(seen, episode[acting], step[acting])
                raise FloatingPointError("the policy's log-probabilities are not finite")
            taken = action.action.astype(environments.action_dtype, copy=False)
            if actions is None:
                actions = np.repeat(taken[:1], environments.num_envs, axis=0)
            actions = actions.copy()
            actions[acting] = taken
        assert actions is not None  # no environment begins with a dead step
        try:
            following = environments.step(actions, stepping)
        except CopyFault as fault:
            copy = acting[0] if fault.copy is None and acting.size else fault.copy or 0
            where = f"step {step[copy]}" if copy in acting else "reset"
            beside = f" (or one of the {acting.size - 1} beside it)" if fault.copy is None else ""
            raise EnvironmentFault(f"episode {episode[copy]}{beside}, {where}: {fault}") from fault
        if acting.size:
            steps.append(
                _Steps(
                    episode=episode[acting],
                    step=step[acting],
                    observations=seen,
                    action=action.raw_action,
                    log_prob=action.log_prob,
                    reward=following.rewards[acting].astype(np.float32),
                    terminated=following.terminated[acting],
                    truncated=following.truncated[acting],
                )
            )
        step[acting] += 1
        resetting = np.zeros_like(resetting)
        resetting[acting] = following.terminated[acting] | following.truncated[acting]
        num_ended = int(np.count_nonzero(resetting))
        episode[resetting] = num_started + np.arange(num_ended)
        step[resetting] = 0
        num_started += num_ended
        if (limit := environments.max_episode_steps) is not None and step.max() >= limit:
            raise EnvironmentFault(
                f"episode {episode[step.argmax()]}, step {limit - 1}: expected the last step of an "
                f"episode, by max_episode_steps: {limit}, received one that goes on"
            )
        observations = following.observations
    return steps


def _require_finite_observations(seen: np.ndarray, episode: np.ndarray, step: np.ndarray) -> None:
    """Raises EnvironmentFault if a policy was shown `[N, O]` what is not finite."""
    for row in np.flatnonzero(~np.isfinite(seen).all(axis=1)):
        raise EnvironmentFault(
            f"episode {episode[row]}, step {step[row]}: expected a finite observation, received "
            f"{seen[row]}"
        )


def _stateless_seeds(generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Seeds `[2]` int32 without end."""
    while True:
        yield from generator.integers(-(2**31), 2**31, size=(1024, 2), dtype=np.int32)


def _batch(steps: _Steps, num_episodes: int) -> Episodes:
    """Sorts N steps, each field `[N, …]`, into episodes `[B, T, …]`."""
    num_steps = steps.step.max() + 1

    def place(values: np.ndarray) -> np.ndarray:
        batch = np.zeros((num_episodes, num_steps, *values.shape[1:]), values.dtype)
        batch[steps.episode, steps.step] = values
        return batch

    return Episodes(
        observations=place(steps.observations),
        actions=place(steps.action),
        log_probs=place(steps.log_prob),
        rewards=place(steps.reward),
        terminated=place(steps.terminated),
        truncated=place(steps.truncated),
        valid=place(np.ones(len(steps.step), dtype=bool)),
    )
