"""Sampling complete episodes in copies of a Gymnasium environment.

In the shapes, E is the number of copies, N the number of those that take a step, B the number of
episodes and T the length of the longest.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from environments.faults import CopyFault, EnvironmentFault, require_finite
from environments.vector.protocol import StepOutcome, VectorEnvironments
from models.action import Action
from reinforce.episodes import Episodes
from reinforce.sampling.protocol import Actor, Sampler

TOGETHER = 2**20  # numbers of the steps that are written, or scored, at a time: 4 MiB


class GymnasiumSampler(Sampler):
    """Sample in copies of a Gymnasium environment; see `sample_episodes`.

    Args:
        make_environments: Makes the copies, each time that the sampler is entered.
        actor: The policy.
        num_episodes: B, episodes of a batch.
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
    become free. Those numbered below `num_episodes` are all finished and kept. Which episodes are
    kept is thus decided before any of them has run, so short episodes are not over-represented. A
    copy with no episode left takes no more steps, and the policy is asked only for actions that are
    taken.

    Args:
        environments: E copies.
        actor: The policy.
        num_episodes: B ≥ 1.
        seed: Determines initial states, transitions and actions, together with E.

    Returns:
        See `Sampler.sample`, as are the errors.
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
    """The batch while it is sampled.

    Many steps at a time are written to their places, and scored: step by step it would cost a
    multiple.
    """

    def __init__(self, num_episodes: int, actor: Actor) -> None:
        self.num_episodes = num_episodes
        self._actor = actor
        self._fields: dict[str, np.ndarray] = {}  # of Episodes, [B, room, …]
        self._longest = 0  # episode so far, in steps
        self._unwritten: list[tuple[np.ndarray, ...]] = []
        self._num_unwritten = 0  # numbers in their observations
        self._unscored: list[tuple[np.ndarray, ...]] = []
        self._num_unscored = 0  # numbers in the policy's outputs

    def add(
        self,
        episode: np.ndarray,
        step: np.ndarray,
        observations: np.ndarray,
        action: Action,
        outcome: StepOutcome,
    ) -> None:
        """Add a step of each of N episodes: `[N]`, `[N]`, `[N, O]` and so on."""
        self._unwritten.append((episode, step, observations, action.raw_action, *outcome))
        self._num_unwritten += observations.size
        if self._num_unwritten >= TOGETHER:
            self._write()
        self._unscored.append((episode, step, action.outputs, action.raw_action))
        self._num_unscored += action.outputs.size
        if self._num_unscored >= TOGETHER:
            self._score()

    def finish(self) -> Episodes:
        """Write and score what is left; return the batch, padded to the longest episode."""
        if self._unwritten:
            self._write()
        if self._unscored:
            self._score()
        return Episodes(**{name: v[:, : self._longest] for name, v in self._fields.items()})

    def _write(self) -> None:
        columns = map(np.concatenate, zip(*self._unwritten, strict=True))
        episode, step, observations, actions, rewards, terminated, truncated = columns
        self._place(
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
        episode, step, *answers = map(np.concatenate, zip(*self._unscored, strict=True))
        self._place(episode, step, log_probs=self._actor.log_prob(*answers))
        self._unscored, self._num_unscored = [], 0

    def _place(self, episode: np.ndarray, step: np.ndarray, **fields: np.ndarray) -> None:
        self._longest = max(self._longest, int(step.max()) + 1)
        for name, values in fields.items():
            field = self._fields.get(name)
            if field is None or field.shape[1] < self._longest:
                room = self._longest if field is None else 2 * self._longest
                self._fields[name] = np.zeros(
                    (self.num_episodes, room, *values.shape[1:]), values.dtype
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
    """Step all environments together until the last of the episodes has ended."""
    num_episodes = batch.num_episodes
    num_started = environments.num_envs
    episode = np.arange(num_started)  # number of the episode in each copy
    step = np.zeros_like(episode)  # its next step
    none = episode[:0]
    try:
        environments.reset(int(generator.integers(2**31)))
    except CopyFault as fault:
        raise _located(fault, episode, step, acting=none, waiting=episode) from fault
    seeds = _stateless_seeds(generator)
    acting = np.flatnonzero(episode < num_episodes)
    waiting = none  # copies whose episode begins with the next step
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
            batch.add(episode[acting], step[acting], seen, action, outcome)
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
                raise _located(fault, episode, step, acting=none, waiting=beginning) from fault
            has_begun = episode < num_episodes
            has_begun[waiting] = False
            acting = np.flatnonzero(has_begun)
        if (limit := environments.max_episode_steps) is not None and step.max() >= limit:
            raise EnvironmentFault(
                f"episode {episode[step.argmax()]}, step {limit - 1}: expected the last step of an "
                f"episode, by max_episode_steps: {limit}, received one that goes on"
            )


def _located(
    fault: CopyFault,
    episode: np.ndarray,
    step: np.ndarray,
    acting: np.ndarray,
    waiting: np.ndarray,
) -> EnvironmentFault:
    """Say where a copy was that failed while it acted or waited for an episode to begin."""
    copy, beside = fault.copy, ""
    if copy is None:
        copy = [*acting, *waiting][0]
        if num_others := len(episode) - 1:
            beside = f" (or one of the {num_others} beside it)"
    where = "reset" if copy in waiting else f"step {step[copy]}"
    return EnvironmentFault(f"episode {episode[copy]}{beside}, {where}: {fault}")


def _require_finite_observations(seen: np.ndarray, episode: np.ndarray, step: np.ndarray) -> None:
    """Raise EnvironmentFault if observations `[N, O]` are not finite."""
    for row in np.flatnonzero(~np.isfinite(seen).all(axis=1)):
        raise EnvironmentFault(
            f"episode {episode[row]}, step {step[row]}: expected a finite observation, received "
            f"{seen[row]}"
        )


def _stateless_seeds(generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield seeds `[2]` int32 without end."""
    while True:
        yield from generator.integers(-(2**31), 2**31, size=(1024, 2), dtype=np.int32)
