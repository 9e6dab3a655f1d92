"""Sampling of complete episodes in copies of a Gymnasium environment.

In the shapes, E is the number of copies, N the number of copies that take a step, B the number of
episodes and T the length of the longest.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np

from environments.faults import CopyFault, EnvironmentFault, require_finite
from environments.vector.protocol import StepOutcome, VectorEnvironments
from models.action import Action
from reinforce.episodes import Episodes
from reinforce.sampling.protocol import Actor, Sampler

BUFFER_SIZE = 2**20  # numbers of buffered steps that are written or scored at a time: 4 MiB


class GymnasiumSampler(Sampler):
    """A sampler for copies of a Gymnasium environment; see `sample_episodes`.

    Args:
        make_environments: Creates the copies, each time the sampler is entered.
        actor: The policy.
        num_episodes: B, episodes per batch.
    """

    def __init__(
        self, make_environments: Callable[[], VectorEnvironments], actor: Actor, num_episodes: int
    ) -> None:
        self._make_environments = make_environments
        self._actor = actor
        self._num_episodes = num_episodes

    def __enter__(self) -> Self:
        self._environments = self._make_environments()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._environments.close()

    def sample(self, seed: np.random.SeedSequence) -> Episodes:
        """See `Sampler`."""
        return sample_episodes(self._environments, self._actor, self._num_episodes, seed)


def sample_episodes(
    environments: VectorEnvironments,
    actor: Actor,
    num_episodes: int,
    seed: np.random.SeedSequence,
) -> Episodes:
    """Sample exactly `num_episodes` complete episodes.

    Episodes are numbered as they start: the first E at once, each later one in the first copy to
    become free. All episodes numbered below `num_episodes` are finished and kept. Which episodes
    are kept is thus decided before any of them has run, so short episodes are not over-represented.
    Copies without an episode take no steps, and the policy computes no actions for them.

    Args:
        environments: E copies.
        actor: The policy.
        num_episodes: B ≥ 1.
        seed: Determines initial states, transitions and actions, together with E.

    Returns:
        See `Sampler.sample`.

    Raises:
        FloatingPointError: See `Sampler.sample`.
        EnvironmentFault: See `Sampler.sample`. The message names the episode and the step.
    """
    batch = _Batch(num_episodes, actor)
    _run(environments, actor, batch, np.random.default_rng(seed))
    episodes = batch.finish()
    require_finite("observation", episodes.observations, episodes.valid)
    require_finite("reward", episodes.rewards, episodes.valid)
    if not np.isfinite(episodes.log_probs).all():
        raise FloatingPointError("the policy's log-probabilities are not finite")
    return episodes


class _Batch:
    """A batch that is being sampled.

    Steps are buffered, then written to their positions and scored many at a time. Doing this at
    every step would cost several times as much.
    """

    def __init__(self, num_episodes: int, actor: Actor) -> None:
        self.num_episodes = num_episodes
        self._actor = actor
        self._fields: dict[str, np.ndarray] = {}  # of Episodes, [B, capacity, …]
        self._longest = 0  # number of steps of the longest episode so far
        self._unwritten: list[tuple[np.ndarray, ...]] = []
        self._num_unwritten = 0  # total size of the observations
        self._unscored: list[tuple[np.ndarray, ...]] = []
        self._num_unscored = 0  # total size of the policy's outputs
        self._ends: list[tuple[np.ndarray, np.ndarray]] = []

    def add(
        self,
        episode: np.ndarray,
        step: np.ndarray,
        observations: np.ndarray,
        action: Action,
        outcome: StepOutcome,
    ) -> None:
        """Add one step to each of N episodes.

        Args:
            episode: `[N]`, numbers of the episodes.
            step: `[N]`, numbers of the steps.
            observations: `[N, O]`.
            action: `[N, …]`.
            outcome: `[N]`.
        """
        self._unwritten.append((episode, step, observations, action.raw_action, *outcome))
        self._num_unwritten += observations.size
        if self._num_unwritten >= BUFFER_SIZE:
            self._write()
        self._unscored.append((episode, step, action.outputs, action.raw_action))
        self._num_unscored += action.outputs.size
        if self._num_unscored >= BUFFER_SIZE:
            self._score()

    def end(self, episode: np.ndarray, observations: np.ndarray) -> None:
        """Add the final observations `[N, O]` of the episodes `[N]`, 0 for terminal states."""
        self._ends.append((episode, observations))

    def finish(self) -> Episodes:
        """Write and score the buffered steps; return the batch, padded to the longest episode."""
        if self._unwritten:
            self._write()
        if self._unscored:
            self._score()
        episode, observations = map(np.concatenate, zip(*self._ends, strict=True))
        with np.errstate(over="ignore"):  # of values that may never be used
            final_observations = observations[np.argsort(episode)].astype(np.float32)
        return Episodes(
            **{name: v[:, : self._longest] for name, v in self._fields.items()},
            final_observations=final_observations,
        )

    def _write(self) -> None:
        columns = map(np.concatenate, zip(*self._unwritten, strict=True))
        episode, step, observations, actions, rewards, terminated, truncated = columns
        self._store(
            episode,
            step,
            observations=observations,
            actions=actions,
            rewards=rewards,
            terminated=terminated,
            truncated=truncated,
            valid=np.ones(len(step), dtype=bool),
        )
        self._unwritten, self._num_unwritten = [], 0

    def _score(self) -> None:
        columns = map(np.concatenate, zip(*self._unscored, strict=True))
        episode, step, outputs, raw_actions = columns
        self._store(episode, step, log_probs=self._actor.log_prob(outputs, raw_actions))
        self._unscored, self._num_unscored = [], 0

    def _store(self, episode: np.ndarray, step: np.ndarray, **fields: np.ndarray) -> None:
        self._longest = max(self._longest, int(step.max()) + 1)
        for name, values in fields.items():
            field = self._fields.get(name)
            if field is None or field.shape[1] < self._longest:
                capacity = self._longest if field is None else 2 * self._longest
                self._fields[name] = np.zeros(
                    (self.num_episodes, capacity, *values.shape[1:]), values.dtype
                )
                if field is not None:
                    self._fields[name][:, : field.shape[1]] = field
            self._fields[name][episode, step] = values


def _run(
    environments: VectorEnvironments,
    actor: Actor,
    batch: _Batch,
    generator: np.random.Generator,
) -> None:
    """Step the environment copies in parallel until all episodes have ended."""
    num_episodes = batch.num_episodes
    num_started = environments.num_envs
    episode = np.arange(num_started)  # [E], number of each copy's episode
    start = np.zeros_like(episode)  # [E], number of calls of `step` before it
    now, earliest = 0, 0  # number of calls so far; the smallest `start` of the copies that act
    none = episode[:0]
    try:
        environments.reset(int(generator.integers(2**31)))
    except CopyFault as fault:
        raise _locate(fault, episode, now - start, acting=none, waiting=episode) from fault
    actor.begin(generator)
    acting = np.flatnonzero(episode < num_episodes)
    acting_episode, acting_start = episode[acting], start[acting]  # [N]
    waiting = none  # copies whose episode starts with the next step
    while acting.size or waiting.size:
        if acting.size:
            observations = environments.observations.take(acting, axis=0)
            observations = observations.astype(np.float32, copy=False)
            action = actor.act(observations)
            # Outputs that are not finite make float actions NaN or infinite, but not discrete ones.
            is_float = action.raw_action.dtype.kind == "f"
            if not np.isfinite(action.raw_action if is_float else action.outputs).all():
                _require_finite_observations(observations, acting_episode, now - acting_start)
                raise FloatingPointError("the policy's outputs are not finite")
            actions = action.action.astype(environments.action_dtype)  # a copy
        try:
            outcome = environments.step(acting, actions[: acting.size])
        except CopyFault as fault:
            raise _locate(fault, episode, now - start, acting, waiting) from fault
        if acting.size:
            batch.add(acting_episode, now - acting_start, observations, action, outcome)
        now += 1
        has_ended = outcome.terminated | outcome.truncated
        ended = acting[has_ended]
        if ended.size or waiting.size:
            is_terminal = outcome.terminated[has_ended][:, np.newaxis]
            batch.end(episode[ended], np.where(is_terminal, 0, environments.observations[ended]))
            episode[ended] = num_started + np.arange(ended.size)
            start[ended] = now
            num_started += ended.size
            beginning = ended[episode[ended] < num_episodes]
            try:
                waiting = environments.begin(beginning)
            except CopyFault as fault:
                raise _locate(fault, episode, now - start, none, waiting=beginning) from fault
            start[waiting] += 1
            has_begun = episode < num_episodes
            has_begun[waiting] = False
            acting = np.flatnonzero(has_begun)
            acting_episode, acting_start = episode[acting], start[acting]
            earliest = acting_start.min(initial=now)
        if (limit := environments.max_episode_steps) is not None and now - earliest >= limit:
            late = acting[start[acting].argmin()]
            raise EnvironmentFault(
                f"episode {episode[late]}, step {limit - 1}: expected the episode to end by "
                f"max_episode_steps: {limit}, received a step that does not end it"
            )


def _locate(
    fault: CopyFault,
    episode: np.ndarray,
    step: np.ndarray,
    acting: np.ndarray,
    waiting: np.ndarray,
) -> EnvironmentFault:
    """Add the episode and the step to the fault of a copy that was acting or being reset."""
    copy, alternatives = fault.copy, ""
    if copy is None:
        copy = [*acting, *waiting][0]
        if len(episode) > 1:
            alternatives = f" (or another of the {len(episode)} running)"
    where = "reset" if copy in waiting else f"step {step[copy]}"
    return EnvironmentFault(f"episode {episode[copy]}{alternatives}, {where}: {fault}")


def _require_finite_observations(
    observations: np.ndarray, episode: np.ndarray, step: np.ndarray
) -> None:
    """Raise EnvironmentFault if observations `[N, O]` are not finite."""
    for row in np.flatnonzero(~np.isfinite(observations).all(axis=1)):
        raise EnvironmentFault(
            f"episode {episode[row]}, step {step[row]}: expected a finite observation, received "
            f"{observations[row]}"
        )
