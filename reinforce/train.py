"""Runs of REINFORCE: sample, update, repeat.

`SampledTrainer` samples in one place and learns in another. `CompiledTrainer` compiles the whole of
training into one XLA program, for environments written in TensorFlow: no Python runs between env
steps, nor between updates.

In the shapes, B is the number of episodes, T the time limit in env steps and K the number of
updates of one call.
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
from reinforce.records import UpdateRecord, UpdateStatistics, records_of
from reinforce.sampling.compiled import empty_episodes, sample_into, stateless_seeds
from reinforce.sampling.protocol import Sampler
from reinforce.signature import episodes_signature

MAX_UPDATES_PER_CALL = 256
SECONDS_PER_CALL = 0.5  # between calls a training shows its progress, and can be interrupted

Seeds = Callable[[int], np.random.SeedSequence]  # number of an update → the seed of its episodes


class Trainer(ABC):
    """Train the policy of a learner, one run after the other.

    For each run: assign the policy's initial weights, call `reset`, then `run`.

    Args:
        learner: Updates the policy.
        normalizer: The layer of the policy's network that normalizes observations, if it has one.
            Its statistics stand still while a batch is sampled and learnt from; then the batch is
            counted.
        best: Judges the policy before each update, and keeps the best; None: the last policy is
            the one that counts.
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
        """All that training changes, by name: with these values it goes on as it would have.

        The statistics of observations are among the policy's weights.
        """
        parts = self.learner.state
        if self.best is not None:
            parts["best"] = self.best.variables
        return {
            f"{part}/{i}": v for part, variables in parts.items() for i, v in enumerate(variables)
        }

    def reset(self, seed: np.random.SeedSequence) -> None:
        """Begin a run with the policy as it is; see `Learner.reset`."""
        self.learner.reset(seed)
        if self.best is not None:
            self.best.reset()

    def run(
        self, first: Episodes, seeds: Seeds, num_updates: int, after: UpdateRecord | None = None
    ) -> Iterator[list[UpdateRecord]]:
        """Train the policy by `num_updates` updates.

        Args:
            first: Episodes of update 0, which this very policy sampled. B of each update is theirs.
            seeds: Of the episodes of update 1, 2, …
            num_updates: How many updates a run has.
            after: The update after which to go on, with `state` as it was then. Defaults to none:
                the run begins.

        Yields:
            The records of one update or several, when they have been made: `state` is then that
            after the last of them.

        Raises:
            FloatingPointError: If the loss, the gradient or the policy's outputs are not finite.
            EnvironmentFault: See `Sampler.sample` and `records_of`. The message names the update.
        """
        updates = range(after.update + 1 if after else 0, num_updates)
        return records_of(self._updates(first, seeds, updates), len(first.valid), after)

    @abstractmethod
    def compile(self) -> None:
        """Compile what a run needs; otherwise its first update does. Nothing else changes."""

    @abstractmethod
    def _updates(
        self, first: Episodes, seeds: Seeds, updates: range
    ) -> Iterator[list[UpdateStatistics]]:
        """Make these updates; yield the statistics of each call."""

    def learn_from(self, episodes: Episodes) -> UpdateStatistics:
        """Judge the policy by the episodes `[B, T, …]` that it sampled, update it, count them."""
        if self.best is not None:
            rewards = tf.where(episodes.valid, episodes.rewards, 0)  # [B, T]
            self.best.judge(tf.reduce_sum(rewards, axis=1))
        statistics = self.learner.update(episodes)
        if self.normalizer is not None:
            count_observations(self.normalizer, episodes, self.learner.chunk_size)
        return statistics


class SampledTrainer(Trainer):
    """Train on the episodes of a sampler.

    Args:
        learner: See `Trainer`, as are the arguments by keyword.
        sampler: Samples the episodes of each update with the policy as it is then. Entered for each
            run.
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
        self, first: Episodes, seeds: Seeds, updates: range
    ) -> Iterator[list[UpdateStatistics]]:
        with self.sampler:
            for update in updates:
                try:
                    self.last_episodes = self.sampler.sample(seeds(update)) if update else first
                except EnvironmentFault as fault:
                    raise EnvironmentFault(f"update {update}: {fault}") from fault
                yield [self.compiled_update(self.last_episodes)]


class CompiledTrainer(Trainer):
    """Train on episodes that are sampled in the same XLA program.

    Args:
        learner: See `Trainer`, as are `normalizer` and `best`.
        environment: Written in TensorFlow.
        num_episodes: B, episodes of each update.
        updates_per_call: K, updates that are made, and yielded, together. Defaults to as many as
            take `SECONDS_PER_CALL`, at most `MAX_UPDATES_PER_CALL`.
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
                tf.TensorSpec([], tf.int32),
                episodes_signature(learner.policy, num_episodes, self._num_steps),
                tf.TensorSpec([], tf.bool),
            ],
            jit_compile=True,
            autograph=False,
        )

    def compile(self) -> None:
        """See `Trainer.compile`."""
        nothing = empty_episodes(self.learner.policy, self._num_episodes, self._num_steps)
        self.program(tf.zeros([self._max_updates, 2], tf.int32), 0, nothing, False)

    def _updates(
        self, first: Episodes, seeds: Seeds, updates: range
    ) -> Iterator[list[UpdateStatistics]]:
        episodes = _padded(first, self._num_steps)
        begin, wanted = updates.start, self._updates_per_call or 1
        while begin < updates.stop:
            started = time.monotonic()
            count = min(wanted, updates.stop - begin)
            # Update 0's, whose episodes are given, is drawn all the same.
            drawn = stateless_seeds([seeds(begin + i) for i in range(count)])
            drawn = tf.pad(drawn, [[0, self._max_updates - count], [0, 0]])
            statistics, episodes = self.program(drawn, count, episodes, begin == 0)
            self.last_episodes = episodes
            table = [values.numpy()[:count] for values in statistics]
            seconds = time.monotonic() - started
            yield [UpdateStatistics(*row) for row in zip(*table, strict=True)]
            begin += count
            wanted = self._updates_per_call or updates_of_next_call(count, seconds)

    def _program(
        self, seeds: tf.Tensor, count: tf.Tensor, episodes: Episodes, given: tf.Tensor
    ) -> tuple[UpdateStatistics, Episodes]:
        """Make `count` updates, the first of them on `episodes` if they are `given`.

        Returns:
            Statistics `[K, …]`, of which the first `count` are set; the episodes of the last one.
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


def count_observations(
    normalizer: RunningNormalization, episodes: Episodes, chunk_size: int
) -> None:
    """Count the observations of a batch `[B, T, …]` into the statistics that normalize them."""

    def count(chunk: Chunk, state: tuple[()]) -> tuple[()]:
        observations = chunk.take(episodes.observations)[..., : normalizer.mean.shape[0]]
        normalizer.update(observations, chunk.valid)  # without masks
        return state

    fold_chunks(count, (), episodes.valid, chunk_size)


def updates_of_next_call(count: int, seconds: float) -> int:
    """Choose how many updates the next call makes, after one that made `count` in `seconds`.

    At most twice as many, since episodes may get longer, and update 0 samples none.
    """
    in_time = int(count * SECONDS_PER_CALL / seconds) if seconds > 0 else MAX_UPDATES_PER_CALL
    return max(1, min(in_time, 2 * count, MAX_UPDATES_PER_CALL))


def _padded(episodes: Episodes, num_steps: int) -> Episodes:
    """Pad NumPy episodes `[B, t, …]` to tensors `[B, T, …]`."""
    missing = num_steps - episodes.valid.shape[1]
    return Episodes(
        *(
            tf.constant(np.pad(v, [(0, 0), (0, missing)] + [(0, 0)] * (v.ndim - 2)))
            for v in episodes
        )
    )
