"""Sampling of complete episodes in an XLA program.

In the shapes, B is the number of episodes, T the time limit in env steps and E the number of
environment copies.
"""

import math
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from environments.compiled.random import algorithm
from environments.faults import require_finite
from environments.masks import require_legal
from environments.protocol import CompiledEnvironment, State
from models.policy import Policy
from reinforce.episodes import Episodes, flatten_steps, write_rows
from reinforce.sampling.protocol import Sampler
from reinforce.signature import episodes_signature
from reinforce.tuning import tuning

MAX_ROWS = 2**31 - 1  # so that int32 can index all rows, and one beyond the last


class CompiledSampler(Sampler):
    """A sampler for environments written in TensorFlow. XLA compiles it once.

    Args:
        environment: Written in TensorFlow.
        policy: Chooses the actions.
        num_episodes: B, episodes per batch.
    """

    def __init__(self, environment: CompiledEnvironment, policy: Policy, num_episodes: int) -> None:
        self._policy = policy
        self._num_episodes = num_episodes

        def sample(seed: tf.Tensor) -> Episodes:
            into = empty_episodes(policy, num_episodes, environment.max_episode_steps)
            return sample_into(into, environment, policy, seed)

        self._sample = tf.function(
            sample,
            input_signature=[tf.TensorSpec([2], tf.int32)],
            jit_compile=True,
            autograph=False,
        )
        # XLA's name for the program contains the number of functions traced before, so tracing at
        # a fixed point lets later processes find it in the cache.
        self._sample.get_concrete_function()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Do nothing; there are no environments to close."""

    def sample(self, seed: np.random.SeedSequence) -> Episodes:
        """See `Sampler`."""
        sampled = self._sample(stateless_seeds([seed])[0])
        episodes = Episodes(*(values.numpy() for values in sampled))
        require_finite("observation", episodes.observations, episodes.valid)
        require_finite("reward", episodes.rewards, episodes.valid)
        masks = episodes.observations[..., self._policy.observation_size :]
        require_legal(masks, self._policy.head.mask_sizes, episodes.valid)
        if not np.isfinite(episodes.log_probs[episodes.valid]).all():
            raise FloatingPointError("the policy's log-probabilities are not finite")
        return episodes.take(self._num_episodes)


def stateless_seeds(seeds: Sequence[np.random.SeedSequence]) -> tf.Tensor:
    """Convert K seeds for TensorFlow's stateless operations: `[K, 2]` int32."""
    states = np.stack([seed.generate_state(2) for seed in seeds])
    return tf.constant(states.view(np.int32))


def empty_episodes(
    policy: Policy, num_episodes: int, num_steps: int, *, with_final_observations: bool = True
) -> Episodes:
    """Allocate B episodes of up to T steps: zeros, none of them valid."""
    signature = episodes_signature(
        policy, num_episodes, num_steps, with_final_observations=with_final_observations
    )
    return Episodes(*(tf.zeros(spec.shape, spec.dtype) for spec in signature))


def step_bytes(policy: Policy) -> int:
    """Return the size of one env step in `Episodes` in bytes, without its three flags."""
    head = policy.head
    action = math.prod(head.action_shape) * head.action_dtype.size
    return 4 * policy.input_size + action + 4 + 4


class _Rows(NamedTuple):
    """Fields of Episodes with one row per step: step t of episode b is row b T + t."""

    observations: tf.Tensor  # [B T, O]
    actions: tf.Tensor  # [B T, *action_shape]
    log_probs: tf.Tensor  # [B T]
    rewards: tf.Tensor  # [B T]


class _Running(NamedTuple):
    """E environment copies, and the steps they have sampled."""

    state: State  # tensors [E, …]
    episode: tf.Tensor  # [E] int32, number of each copy's episode; B or more: it has none
    step: tf.Tensor  # [E] int32, number of the episode's next step
    num_started: tf.Tensor  # [] int32, number of episodes started
    rows: _Rows
    num_steps: tf.Tensor  # [B] int32, number of steps of each episode so far
    terminated: tf.Tensor  # [B] bool
    final_observations: tf.Tensor  # [B, O], after the last step so far; or [B, 0]


def sample_into(
    into: Episodes,
    environment: CompiledEnvironment,
    policy: Policy,
    seed: tf.Tensor,
    wanted: tf.Tensor | bool = True,
) -> Episodes:
    """Sample B complete episodes into the memory of another batch.

    Episodes are numbered as they start: the first E at once, each later one in the first copy to
    become free. Which episodes are kept is thus decided before any of them has run, so short
    episodes are not over-represented. No step needs the host; the caller compiles this function.

    Args:
        into: `[B, T, …]`, overwritten by the new episodes. Old values remain on padding: when
            episodes are much shorter than the limit, clearing it would take longer than sampling.
            Final observations are recorded if there is room for them.
        environment: Written in TensorFlow.
        policy: Chooses the actions.
        seed: `[2]` int32, determines initial states and actions.
        wanted: Whether to sample. If False, `into` is returned. Defaults to True.

    Returns:
        The episodes `[B, T, …]`.
    """
    num_episodes, limit = into.valid.shape
    sizes = tuning()
    num_envs = sizes.num_copies(num_episodes)
    initial = environment.reset(num_episodes, seed + tf.constant([1, 0]))  # unlike the noise's seed
    records_finals = into.final_observations.shape[1] > 0
    no_row = num_episodes * limit  # for a copy that has no episode left; `write_rows` ignores it

    def step(index: tf.Tensor, noise: tf.Tensor, running: _Running) -> _Running:
        has_episode = running.episode < num_episodes  # [E]
        # The state of a copy without an episode may overflow; 0 is safe for every network.
        observations = environment.observe(running.state)  # [E, O]
        observations = tf.where(has_episode[:, tf.newaxis], observations, 0)
        action = policy.act(observations, noise[index])
        log_prob = policy.head.log_prob(action.outputs, action.raw_action)
        state, rewards, terminated = environment.step(running.state, action.action)
        row = tf.where(has_episode, running.episode * limit + running.step, no_row)
        num_steps = running.step + 1
        ended = terminated | (num_steps == limit)
        finals = observed = running.final_observations
        if records_finals:
            observed = environment.observe(state)
        if num_envs < num_episodes:
            number = running.num_started + tf.cumsum(tf.cast(ended, tf.int32))  # [E], from 1
            following, num_started = number - 1, number[-1]
            state = _restart(state, initial, ended, following)
            steps_so_far = write_rows(running.num_steps, running.episode, num_steps)
            terminated = write_rows(running.terminated, running.episode, terminated)
            if records_finals:
                finals = write_rows(finals, running.episode, observed)
        else:  # all episodes start at once: copy b has episode b, or none once it has ended
            following, num_started = tf.constant(num_episodes), running.num_started
            steps_so_far = tf.where(has_episode, num_steps, running.num_steps)
            terminated = tf.where(has_episode, terminated, running.terminated)
            finals = tf.where(has_episode[:, tf.newaxis], observed, finals)
        rows = running.rows
        return _Running(
            state=state,
            episode=tf.where(ended, following, running.episode),
            step=tf.where(ended, 0, num_steps),
            num_started=num_started,
            rows=_Rows(
                observations=write_rows(rows.observations, row, observations),
                actions=write_rows(rows.actions, row, action.raw_action),
                log_probs=write_rows(rows.log_probs, row, log_prob),
                rewards=write_rows(rows.rewards, row, rewards),
            ),
            num_steps=steps_so_far,
            terminated=terminated,
            final_observations=finals,
        )

    def is_unfinished(running: _Running) -> tf.Tensor:
        return wanted & tf.reduce_any(running.episode < num_episodes)

    def steps_with_noise(number: tf.Tensor, running: _Running) -> tuple[tf.Tensor, _Running]:
        shape = [sizes.noise_steps, num_envs]
        noise = policy.head.noise(shape, _seed_of_noise(seed, number + 1), algorithm())
        _, running = tf.while_loop(
            lambda index, running: (
                (index < sizes.noise_steps)
                & (is_unfinished(running) if sizes.checks_each_step else True)
            ),
            lambda index, running: (index + 1, step(index, noise, running)),
            (tf.constant(0), running),
        )
        return number + 1, running

    _, running = tf.while_loop(
        lambda _, running: is_unfinished(running),
        steps_with_noise,
        (
            tf.constant(0),
            _Running(
                state=tf.nest.map_structure(lambda values: values[:num_envs], initial),
                episode=tf.range(num_envs),
                step=tf.zeros([num_envs], tf.int32),
                num_started=tf.constant(num_envs),
                rows=_Rows(*(flatten_steps(getattr(into, name)) for name in _Rows._fields)),
                num_steps=tf.math.count_nonzero(into.valid, axis=1, dtype=tf.int32),
                terminated=tf.reduce_any(into.terminated, axis=1),
                final_observations=into.final_observations,
            ),
        ),
    )
    fields = {
        name: tf.reshape(rows, [num_episodes, limit, *rows.shape[1:]])
        for name, rows in running.rows._asdict().items()
    }
    step_number = tf.range(limit)  # [T]
    num_steps, terminated = running.num_steps[:, tf.newaxis], running.terminated[:, tf.newaxis]
    last = step_number == num_steps - 1  # [B, T]
    return Episodes(
        **fields,
        terminated=last & terminated,
        truncated=last & ~terminated,
        valid=step_number < num_steps,
        final_observations=tf.where(terminated, 0.0, running.final_observations),
    )


def _restart(state: State, initial: State, ended: tf.Tensor, episode: tf.Tensor) -> State:
    """Assign the initial state of `episode` `[E]` to each copy that has `ended` `[E]`."""

    def restart(values: tf.Tensor, fresh: tf.Tensor) -> tf.Tensor:
        chosen = tf.gather(fresh, tf.minimum(episode, fresh.shape[0] - 1))
        return tf.where(tf.reshape(ended, [-1] + [1] * (values.shape.rank - 1)), chosen, values)

    return tf.nest.map_structure(restart, state, initial)


def _seed_of_noise(seed: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Return the seed `[2]` for the noise of one group of `noise_steps` steps, by its number.

    Seeds are keys of counter-based generators, which produce unrelated numbers for neighboring keys
    (Salmon et al. 2011). The seeds of batches are 64 random bits, so their ranges do not overlap in
    practice. Folding the number in instead would require compiling another generator.
    """
    return seed + tf.stack([tf.constant(0), number])
