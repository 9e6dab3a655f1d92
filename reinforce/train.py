"""Runs of REINFORCE: sample, update, repeat.

`SampledTrainer` alternates between a sampler and a compiled update. `CompiledTrainer` compiles the
entire training loop into one XLA program, for environments written in TensorFlow. No Python runs
between env steps or updates.

In the shapes, B is the number of episodes, T the time limit in env steps and K the number of
updates per call.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from environments.faults import EnvironmentFault
from environments.protocol import CompiledEnvironment
from models.normalization import RunningNormalization
from reinforce.best import BestPolicy
from reinforce.chunks import Chunk, fold_chunks
from reinforce.episodes import Episodes
from reinforce.learner import Learner
from reinforce.records import UpdateRecord, UpdateStatistics, make_records
from reinforce.sampling.compiled import empty_episodes, sample_into, stateless_seeds
from reinforce.sampling.protocol import Sampler
from reinforce.schedule import Schedule
from reinforce.signature import episodes_signature

MAX_UPDATES_PER_CALL = 256
SECONDS_PER_CALL = 0.5  # training reports progress and can be interrupted only between calls

Seeds = Callable[[int], np.random.SeedSequence]  # update number → seed of the update's episodes


class Trainer(ABC):
    """A trainer for consecutive runs.

    For each run, assign the policy's initial weights, call `reset`, then `run`.

    Args:
        learner: Updates the policy.
        normalizer: The layer of the policy network that normalizes observations, if there is one.
            Its statistics do not change while a batch is sampled and learned from; the batch is
            added to them afterwards.
        best: Judges the policy before each update and keeps the best one. Defaults to None: the
            last policy is used.
    """

    def __init__(
        self,
        learner: Learner,
        normalizer: RunningNormalization | None = None,
        best: BestPolicy | None = None,
    ) -> None:
        self.learner = learner
        self.normalizer = normalizer
        self.best = best
        self.last_episodes: Episodes | None = None  # of the last update so far

    @property
    def state(self) -> dict[str, tf.Variable]:
        """All variables that training changes, by name. Restoring them resumes training exactly.

        The policy's weights include the observation statistics.
        """
        parts = self.learner.state
        if self.best is not None:
            parts["best"] = self.best.variables
        return {
            f"{part}/{i}": v for part, variables in parts.items() for i, v in enumerate(variables)
        }

    def reset(self, seed: np.random.SeedSequence) -> None:
        """Start a run from the policy's current weights; see `Learner.reset`."""
        self.learner.reset(seed)
        if self.best is not None:
            self.best.reset()

    def run(
        self,
        first: Episodes,
        seeds: Seeds,
        schedule: Schedule,
        after: UpdateRecord | None = None,
    ) -> Iterator[list[UpdateRecord]]:
        """Train the policy until the schedule ends.

        Args:
            first: Episodes of update 0, sampled by the initial policy. Each update has as many
                episodes, B.
            seeds: Returns the seeds for the episodes of updates 1, 2, …
            schedule: The learning rate of each update, and the end of the run.
            after: Record of the update after which to resume; `state` must be restored to its
                values after that update. Defaults to None: start the run.

        Yields:
            The records of one or more updates, as soon as they are finished. At that moment `state`
            is the state after the last of these updates.

        Raises:
            FloatingPointError: If the loss, the gradient or the policy's outputs are not finite.
            EnvironmentFault: See `Sampler.sample` and `make_records`. The message names the update.
        """
        statistics = self._updates(first, seeds, schedule, after)
        return make_records(statistics, len(first.valid), after)

    @abstractmethod
    def compile(self) -> None:
        """Compile ahead of time; otherwise the first update compiles. Has no other effect."""

    @abstractmethod
    def _updates(
        self, first: Episodes, seeds: Seeds, schedule: Schedule, after: UpdateRecord | None
    ) -> Iterator[list[UpdateStatistics]]:
        """Perform the updates of `run`; yield the statistics of each call."""

    def learn_from(self, episodes: Episodes) -> UpdateStatistics:
        """Perform one update on episodes `[B, T, …]` that the current policy sampled.

        Judge the policy, update it, and add the observations to the statistics, in this order.
        """
        if self.best is not None:
            rewards = tf.where(episodes.valid, episodes.rewards, 0)  # [B, T]
            self.best.judge(tf.reduce_sum(rewards, axis=1))
        statistics = self.learner.update(episodes)
        if self.normalizer is not None:
            add_observations(self.normalizer, episodes, self.learner.chunk_size)
        return statistics


class SampledTrainer(Trainer):
    """A trainer that takes episodes from a sampler.

    Args:
        learner: See `Trainer`.
        sampler: Samples the episodes of each update with the current policy. Entered once per run.
        normalizer: See `Trainer`.
        best: See `Trainer`.
    """

    def __init__(
        self,
        learner: Learner,
        sampler: Sampler,
        *,
        normalizer: RunningNormalization | None = None,
        best: BestPolicy | None = None,
    ) -> None:
        super().__init__(learner, normalizer, best)
        self.sampler = sampler
        self.compiled_update = tf.function(
            self.learn_from, input_signature=[episodes_signature(learner.policy)]
        )

    def compile(self) -> None:
        """See `Trainer.compile`."""
        self.compiled_update.get_concrete_function()

    def _updates(
        self, first: Episodes, seeds: Seeds, schedule: Schedule, after: UpdateRecord | None
    ) -> Iterator[list[UpdateStatistics]]:
        update, num_env_steps = _position(after)
        with self.sampler:
            while (rates := schedule.upcoming(update, num_env_steps)).size:
                try:
                    self.last_episodes = self.sampler.sample(seeds(update)) if update else first
                except EnvironmentFault as fault:
                    raise EnvironmentFault(f"update {update}: {fault}") from fault
                self.learner.optimizer.learning_rate.assign(rates[0])
                statistics = self.compiled_update(self.last_episodes)
                yield [statistics]
                update += 1
                num_env_steps += int(statistics.num_env_steps)


class CompiledTrainer(Trainer):
    """A trainer that samples and learns in one XLA program.

    Args:
        learner: See `Trainer`.
        environment: Written in TensorFlow.
        num_episodes: B, episodes of each update.
        updates_per_call: K, updates that are computed and yielded together. Defaults to the number
            that takes `SECONDS_PER_CALL`, but no more than `MAX_UPDATES_PER_CALL`.
        normalizer: See `Trainer`.
        best: See `Trainer`.
    """

    def __init__(
        self,
        learner: Learner,
        environment: CompiledEnvironment,
        num_episodes: int,
        *,
        updates_per_call: int | None = None,
        normalizer: RunningNormalization | None = None,
        best: BestPolicy | None = None,
    ) -> None:
        super().__init__(learner, normalizer, best)
        self.environment = environment
        self._num_steps = environment.max_episode_steps  # T
        self._num_episodes = num_episodes  # B
        self._updates_per_call = updates_per_call
        self._max_updates = updates_per_call or MAX_UPDATES_PER_CALL  # K
        self.program = tf.function(
            self._program,
            input_signature=[
                tf.TensorSpec([self._max_updates, 2], tf.int32),
                tf.TensorSpec([self._max_updates], tf.float32),
                tf.TensorSpec([], tf.int32),
                episodes_signature(
                    learner.policy,
                    num_episodes,
                    self._num_steps,
                    with_final_observations=learner.bootstrap_truncated,
                ),
                tf.TensorSpec([], tf.bool),
            ],
            jit_compile=True,
            autograph=False,
        )

    def compile(self) -> None:
        """See `Trainer.compile`."""
        empty = empty_episodes(
            self.learner.policy,
            self._num_episodes,
            self._num_steps,
            with_final_observations=self.learner.bootstrap_truncated,
        )
        seed_table, rate_table = (
            tf.zeros(s.shape, s.dtype) for s in self.program.input_signature[:2]
        )
        self.program(seed_table, rate_table, 0, empty, False)

    def _updates(
        self, first: Episodes, seeds: Seeds, schedule: Schedule, after: UpdateRecord | None
    ) -> Iterator[list[UpdateStatistics]]:
        if not self.learner.bootstrap_truncated:
            first = first._replace(final_observations=first.final_observations[:, :0])
        episodes = _padded(first, self._num_steps)
        begin, num_env_steps = _position(after)
        per_call = self._updates_per_call or 1
        while (rates := schedule.upcoming(begin, num_env_steps)[:per_call]).size:
            started = time.monotonic()
            count = len(rates)
            # Update 0 gets a seed too, although its episodes are given.
            seed_table = stateless_seeds([seeds(begin + i) for i in range(count)])
            padding = [0, self._max_updates - count]
            statistics, episodes = self.program(
                tf.pad(seed_table, [padding, [0, 0]]),
                np.pad(rates, padding),
                count,
                episodes,
                begin == 0,
            )
            self.last_episodes = episodes
            table = [values.numpy()[:count] for values in statistics]
            seconds = time.monotonic() - started
            yield [UpdateStatistics(*row) for row in zip(*table, strict=True)]
            begin += count
            num_env_steps += int(statistics.num_env_steps[:count].numpy().sum())
            per_call = self._updates_per_call or choose_updates_per_call(count, seconds)

    def _program(
        self,
        seeds: tf.Tensor,
        learning_rates: tf.Tensor,
        count: tf.Tensor,
        episodes: Episodes,
        given: tf.Tensor,
    ) -> tuple[UpdateStatistics, Episodes]:
        """Perform `count` updates. If `given` is true, the first one uses `episodes`.

        Returns:
            Statistics `[K, …]`, of which the first `count` are set, and the last update's episodes.
        """
        policy = self.learner.policy
        num_parameters = len(policy.head.parameter_names)

        def column(name: str) -> tf.TensorArray:
            dtype = tf.int32 if name == "num_env_steps" else tf.float32
            shape = [num_parameters] if name == "distribution" else []
            return tf.TensorArray(dtype, self._max_updates, element_shape=shape)

        def update(
            index: tf.Tensor, episodes: Episodes, columns: UpdateStatistics
        ) -> tuple[tf.Tensor, Episodes, UpdateStatistics]:
            wanted = ~(given & (index == 0))
            episodes = sample_into(episodes, self.environment, policy, seeds[index], wanted)
            self.learner.optimizer.learning_rate.assign(learning_rates[index])
            row = self.learn_from(episodes)
            columns = UpdateStatistics(
                *(c.write(index, value) for c, value in zip(columns, row, strict=True))
            )
            return index + 1, episodes, columns

        _, episodes, columns = tf.while_loop(
            lambda index, *_: index < count,
            update,
            (tf.constant(0), episodes, UpdateStatistics(*map(column, UpdateStatistics._fields))),
        )
        return UpdateStatistics(*(c.stack() for c in columns)), episodes


def _position(after: UpdateRecord | None) -> tuple[int, int]:
    """Return the numbers of updates and env steps of a run so far."""
    return (after.update + 1, after.num_env_steps) if after else (0, 0)


def add_observations(normalizer: RunningNormalization, episodes: Episodes, chunk_size: int) -> None:
    """Add the observations of a batch `[B, T, …]` to the normalizer's statistics."""

    def add(chunk: Chunk, state: tuple[()]) -> tuple[()]:
        observations = chunk.take(episodes.observations)[..., : normalizer.mean.shape[0]]
        normalizer.update(observations, chunk.valid)  # without masks
        return state

    fold_chunks(add, (), episodes.valid, chunk_size)


def choose_updates_per_call(count: int, seconds: float) -> int:
    """Choose the number of updates for the next call, after `count` updates took `seconds`.

    The number at most doubles, since episodes may get longer and update 0 does not sample any.
    """
    in_time = int(count * SECONDS_PER_CALL / seconds) if seconds > 0 else MAX_UPDATES_PER_CALL
    return max(1, min(in_time, 2 * count, MAX_UPDATES_PER_CALL))


def _padded(episodes: Episodes, num_steps: int) -> Episodes:
    """Pad NumPy episodes `[B, t, …]` to tensors `[B, T, …]`."""
    missing = num_steps - episodes.valid.shape[1]
    padded = episodes.map_steps(
        lambda values: np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))
    )
    return Episodes(*map(tf.constant, padded))
