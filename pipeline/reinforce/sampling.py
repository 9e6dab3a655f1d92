"""Sampling complete episodes: one function for rollout, training and evaluation."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from models.action import Action
from pipeline.environments.faults import CopyFault, EnvironmentFault, require_finite
from pipeline.environments.parallel.contract import ParallelEnvironments
from pipeline.reinforce.episodes import Episodes

SCORED_TOGETHER = 2**20  # numbers among the outputs of as many steps: 4 MiB


class Actor(Protocol):
    """A policy, as sampling asks it: all are NumPy arrays."""

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """Chooses actions: observations `[N, O]` float32, stateless seed `[2]` int32 → `[N, …]`.

        As `outputs` it may return whatever `log_prob` wants to know.
        """

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """Log-probabilities `[N]` float32, of what `act` answered in any number of steps."""


class _Steps(NamedTuple):
    """N steps, with where they belong in the batch of episodes."""

    episode: np.ndarray  # [N] row
    step: np.ndarray  # [N] column
    observations: np.ndarray  # [N, O]
    action: np.ndarray  # [N, *action_shape], as it was sampled
    reward: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    truncated: np.ndarray  # [N]


def sample_episodes(
    environments: ParallelEnvironments,
    actor: Actor,
    num_episodes: int,
    seed: np.random.SeedSequence,
) -> Episodes:
    """Samples exactly `num_episodes` complete episodes.

    Episodes are numbered as they start, the first E at once and each later one in the first
    environment to become free; those numbered below `num_episodes` are all finished and kept. Which
    episodes are kept is thus settled before any of them has run, whatever their lengths: keeping
    the first to finish would favour short ones. An environment with no episode left takes no more
    steps, and the policy is asked for the actions that are taken, no others.

    Args:
        environments: E parallel environments.
        actor: The policy.
        num_episodes: B ≥ 1.
        seed: Determines initial states, transitions and actions, together with E.

    Returns:
        The episodes, as NumPy arrays, padded to the longest.

    Raises:
        FloatingPointError: If the policy's outputs or log-probabilities are not finite.
        EnvironmentFault: If an environment raises anything, returns what it should not or what is
            not finite, or goes beyond its own time limit.
    """
    scores = _Scores(actor)
    parts = _run(environments, actor, scores, num_episodes, np.random.default_rng(seed))
    log_probs = scores.all()
    episodes = _batch(
        _Steps(*map(np.concatenate, zip(*parts, strict=True))), log_probs, num_episodes
    )
    require_finite("observation", episodes.observations, episodes.valid)
    require_finite("reward", episodes.rewards, episodes.valid)
    if not np.isfinite(log_probs).all():
        raise FloatingPointError("the policy's log-probabilities are not finite")
    return episodes


class _Scores:
    """Log-probabilities, of many steps at a time: call by call they would cost a multiple."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._outputs: list[np.ndarray] = []
        self._raw_actions: list[np.ndarray] = []
        self._size = 0
        self._log_probs: list[np.ndarray] = []

    def add(self, action: Action) -> None:
        self._outputs.append(action.outputs)
        self._raw_actions.append(action.raw_action)
        self._size += action.outputs.size
        if self._size >= SCORED_TOGETHER:
            self._score()

    def all(self) -> np.ndarray:
        """Those of all that were added, `[N]`, in their order."""
        if self._outputs:
            self._score()
        return np.concatenate(self._log_probs)

    def _score(self) -> None:
        answers = np.concatenate(self._outputs), np.concatenate(self._raw_actions)
        self._log_probs.append(self._actor.log_prob(*answers))
        self._outputs, self._raw_actions, self._size = [], [], 0


def _run(
    environments: ParallelEnvironments,
    actor: Actor,
    scores: _Scores,
    num_episodes: int,
    generator: np.random.Generator,
) -> list[_Steps]:
    """Steps all environments together until the last of the episodes has ended."""
    num_started = environments.num_envs
    episode = np.arange(num_started)  # number of the episode in each copy
    step = np.zeros_like(episode)  # its next step
    nobody = episode[:0]
    try:
        environments.reset(int(generator.integers(2**31)))
    except CopyFault as fault:
        raise _located(fault, episode, step, acting=nobody, waiting=episode) from fault
    seeds = _stateless_seeds(generator)
    acting = np.flatnonzero(episode < num_episodes)
    waiting = nobody  # copies whose episode begins with the next step
    steps = []
    while acting.size or waiting.size:
        if acting.size:
            seen = environments.observations[acting].astype(np.float32, copy=False)
            action = actor.act(seen, next(seeds))
            # An action of floats shows whether its outputs are finite, a discrete one does not.
            telling = action.raw_action if action.raw_action.dtype.kind == "f" else action.outputs
            if not np.isfinite(telling).all():
                _require_finite_observations(seen, episode[acting], step[acting])
                raise FloatingPointError("the policy's outputs are not finite")
            actions = action.action.astype(environments.action_dtype)  # a copy
        try:
            outcome = environments.step(acting, actions[: acting.size])
        except CopyFault as fault:
            raise _located(fault, episode, step, acting, waiting) from fault
        if acting.size:
            scores.add(action)
            steps.append(
                _Steps(
                    episode=episode[acting],
                    step=step[acting],
                    observations=seen,
                    action=action.raw_action,
                    reward=outcome.rewards,
                    terminated=outcome.terminated,
                    truncated=outcome.truncated,
                )
            )
        step[acting] += 1
        ended = acting[outcome.terminated | outcome.truncated]
        if ended.size or waiting.size:
            episode[ended] = num_started + np.arange(ended.size)
            step[ended] = 0
            num_started += ended.size
            beginning = ended[episode[ended] < num_episodes]
            try:
                waiting = environments.begin(beginning)
            except CopyFault as fault:
                raise _located(fault, episode, step, acting=nobody, waiting=beginning) from fault
            has_begun = episode < num_episodes
            has_begun[waiting] = False
            acting = np.flatnonzero(has_begun)
        if (limit := environments.max_episode_steps) is not None and step.max() >= limit:
            raise EnvironmentFault(
                f"episode {episode[step.argmax()]}, step {limit - 1}: expected the last step of an "
                f"episode, by max_episode_steps: {limit}, received one that goes on"
            )
    return steps


def _located(
    fault: CopyFault,
    episode: np.ndarray,
    step: np.ndarray,
    acting: np.ndarray,
    waiting: np.ndarray,
) -> EnvironmentFault:
    """The fault of a copy that acted or waited for an episode to begin, with where it was."""
    copy, beside = fault.copy, ""
    if copy is None:
        copy = [*acting, *waiting][0]
        if num_others := len(episode) - 1:
            beside = f" (or one of the {num_others} beside it)"
    where = "reset" if copy in waiting else f"step {step[copy]}"
    return EnvironmentFault(f"episode {episode[copy]}{beside}, {where}: {fault}")


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


def _batch(steps: _Steps, log_probs: np.ndarray, num_episodes: int) -> Episodes:
    """Sorts N steps and their log-probabilities, `[N, …]`, into episodes `[B, T, …]`."""
    num_steps = steps.step.max() + 1

    def place(values: np.ndarray) -> np.ndarray:
        batch = np.zeros((num_episodes, num_steps, *values.shape[1:]), values.dtype)
        batch[steps.episode, steps.step] = values
        return batch

    return Episodes(
        observations=place(steps.observations),
        actions=place(steps.action),
        log_probs=place(log_probs),
        rewards=place(steps.reward),
        terminated=place(steps.terminated),
        truncated=place(steps.truncated),
        valid=place(np.ones(len(steps.step), dtype=bool)),
    )
