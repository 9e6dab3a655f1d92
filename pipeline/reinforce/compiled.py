"""The whole of training in one XLA program: sampling, gradient and optimizer step, over and over.

For environments that are written in TensorFlow. No Python runs between env steps, nor between
updates; the mathematics is that of `learner.py`, traced into the program.

In the shapes, B is the number of episodes, T the time limit in env steps and K the number of
updates of one call.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from models.policy import Policy
from pipeline.environments.compiled.contract import CompiledEnvironment
from pipeline.environments.faults import require_finite
from pipeline.reinforce.compiled_sampling import (
    Sampled,
    as_episodes,
    as_sampled,
    no_episodes,
    sample_episodes,
)
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.learner import Learner, UpdateStatistics, episodes_signature
from pipeline.reinforce.records import UpdateRecord, recorded

MIN_UPDATES_PER_CALL, MAX_UPDATES_PER_CALL = 32, 256
MAX_PRODUCTS_PER_CALL = 2**33  # some seconds': no longer should a progress bar stand still


def compile_sampler(
    environment: CompiledEnvironment, policy: Policy, num_episodes: int
) -> Callable[[np.random.SeedSequence], Episodes]:
    """What samples episodes, compiled by XLA: seed → NumPy arrays, padded to the longest episode.

    Raises (when called):
        FloatingPointError: If the policy's log-probabilities are not finite.
        EnvironmentFault: If an observation or a reward is not finite.
    """

    def sample_into_nothing(seed: tf.Tensor) -> Episodes:
        place = no_episodes(environment, policy, num_episodes)
        return as_episodes(sample_episodes(environment, policy, seed, place))

    sample = tf.function(
        sample_into_nothing,
        input_signature=[tf.TensorSpec([2], tf.int32)],
        jit_compile=True,
        autograph=False,
    )

    def sampler(seed: np.random.SeedSequence) -> Episodes:
        episodes = Episodes(*(values.numpy() for values in sample(stateless_seeds([seed])[0])))
        require_finite("observation", episodes.observations, episodes.valid)
        require_finite("reward", episodes.rewards, episodes.valid)
        if not np.isfinite(episodes.log_probs[episodes.valid]).all():
            raise FloatingPointError("the policy's log-probabilities are not finite")
        return episodes.take(num_episodes)

    return sampler


class CompiledTraining:
    """Updates of a learner's policy on episodes that it samples itself, compiled by XLA once.

    It serves one run after the other: assign the weights of the next and call `train_run`.

    Args:
        environment: Written in TensorFlow.
        learner: Updates the policy that samples.
        num_episodes: B, episodes of each update.
        updates_per_call: K, updates that are made, and recorded, together. Defaults to as many as
            it takes for Python not to count.
    """

    def __init__(
        self,
        environment: CompiledEnvironment,
        learner: Learner,
        num_episodes: int,
        updates_per_call: int | None = None,
    ) -> None:
        self.environment = environment
        self.learner = learner
        self.num_episodes = num_episodes
        self.updates_per_call = updates_per_call or updates_together(
            learner.policy, num_episodes * environment.max_episode_steps
        )
        self.last_episodes: Episodes | None = None  # of the last update so far
        self.num_made = 0
        self._num_steps = environment.max_episode_steps  # T
        signature = Episodes(
            *(
                tf.TensorSpec([num_episodes, self._num_steps, *spec.shape[2:]], spec.dtype)
                for spec in episodes_signature(learner.policy)
            )
        )
        self.program = tf.function(
            self._updates,
            input_signature=[
                tf.TensorSpec([self.updates_per_call, 2], tf.int32),
                tf.TensorSpec([], tf.int32),
                signature,
                tf.TensorSpec([], tf.bool),
            ],
            jit_compile=True,
            autograph=False,
        )

    def train_run(
        self,
        first: Episodes,
        seeds: Callable[[int], np.random.SeedSequence],
        num_updates: int,
        after: UpdateRecord | None = None,
    ) -> Iterator[UpdateRecord]:
        """See `Training`; the records of one call come together."""
        if after is None:
            self.learner.reset()
        updates = range(after.update + 1 if after else 0, num_updates)
        return recorded(self._statistics(first, seeds, updates), self.num_episodes, after)

    def _statistics(
        self, first: Episodes, seeds: Callable[[int], np.random.SeedSequence], updates: range
    ) -> Iterator[UpdateStatistics]:
        episodes = self._padded(first)
        for begin in updates[:: self.updates_per_call]:
            count = min(self.updates_per_call, updates.stop - begin)
            # Update 0's, whose episodes are given, is drawn all the same.
            drawn = stateless_seeds([seeds(begin + i) for i in range(count)])
            drawn = tf.pad(drawn, [[0, self.updates_per_call - count], [0, 0]])
            statistics, episodes = self.program(drawn, count, episodes, begin == 0)
            self.last_episodes = episodes
            table = UpdateStatistics(*(values.numpy() for values in statistics))
            self.num_made = begin + count
            for i in range(count):
                yield UpdateStatistics(*(values[i] for values in table))

    def _updates(
        self, seeds: tf.Tensor, count: tf.Tensor, episodes: Episodes, given: tf.Tensor
    ) -> tuple[UpdateStatistics, Episodes]:
        """`count` updates, the first of them on `episodes` if they are `given`.

        Returns:
            Statistics `[K, …]`, of which the first `count` are set; the episodes of the last one.
        """
        num_parameters = len(self.learner.policy.head.parameter_names)

        def column(name: str) -> tf.TensorArray:
            dtype = tf.int32 if name == "num_env_steps" else tf.float32
            shape = [num_parameters] if name == "distribution" else []
            return tf.TensorArray(dtype, self.updates_per_call, element_shape=shape)

        def update(
            index: tf.Tensor, sampled: Sampled, columns: UpdateStatistics
        ) -> tuple[tf.Tensor, Sampled, UpdateStatistics]:
            wanted = ~(given & (index == 0))
            policy = self.learner.policy
            sampled = sample_episodes(self.environment, policy, seeds[index], sampled, wanted)
            row = self.learner.learn(as_episodes(sampled))
            columns = UpdateStatistics(
                *(c.write(index, value) for c, value in zip(columns, row, strict=True))
            )
            return index + 1, sampled, columns

        _, sampled, columns = tf.while_loop(
            lambda index, *_: index < count,
            update,
            (
                tf.constant(0),
                as_sampled(episodes),
                UpdateStatistics(*map(column, UpdateStatistics._fields)),
            ),
        )
        return UpdateStatistics(*(c.stack() for c in columns)), as_episodes(sampled)

    def _padded(self, episodes: Episodes) -> Episodes:
        """NumPy episodes `[B, t, …]` as they go into the program, `[B, T, …]`."""
        missing = self._num_steps - episodes.valid.shape[1]
        return Episodes(
            *(
                tf.constant(np.pad(v, [(0, 0), (0, missing)] + [(0, 0)] * (v.ndim - 2)))
                for v in episodes
            )
        )


def updates_together(policy: Policy, max_env_steps: int) -> int:
    """How many updates of at most `max_env_steps` each one call makes."""
    products = max_env_steps * policy.network.count_params()
    wanted = MAX_PRODUCTS_PER_CALL // products
    return min(max(wanted, MIN_UPDATES_PER_CALL), MAX_UPDATES_PER_CALL)


def stateless_seeds(seeds: Sequence[np.random.SeedSequence]) -> tf.Tensor:
    """Seeds for TensorFlow's stateless operations: `[K, 2]` int32."""
    states = np.stack([seed.generate_state(2) for seed in seeds])
    return tf.constant(states.view(np.int32))
