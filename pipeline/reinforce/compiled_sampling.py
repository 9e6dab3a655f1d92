"""Sampling complete episodes in an XLA program.

In the shapes, B is the number of episodes, T the time limit in env steps and E the number of copies
of the environment.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from models.policy import Policy
from pipeline.environments.compiled.contract import CompiledEnvironment, State
from pipeline.environments.compiled.random import algorithm
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.scatter import write_rows

MAX_ROWS = 2**31 - 1  # which int32 numbers, one beyond the last row included
NOISE_STEPS = 32  # for as many steps the chance in actions is drawn at a time


class Sampled(NamedTuple):
    """Episodes while they are sampled: step t of episode b is row b T + t.

    Rows beyond an episode's end hold whatever stood there before. So the place of one batch can be
    that of the next, without being cleared: where episodes are much shorter than the limit, that
    would take longer than sampling them.
    """

    observations: Any  # [B T, O]
    actions: Any  # [B T, *action_shape]
    log_probs: Any  # [B T]
    rewards: Any  # [B T]
    num_steps: Any  # [B] int32, so far
    terminated: Any  # [B] bool


class _Running(NamedTuple):
    """E copies of the environment, and what they have sampled."""

    state: State  # tensors [E, …]
    episode: tf.Tensor  # [E] int32, number of the episode in each copy; B or more: none
    step: tf.Tensor  # [E] int32, its next step
    num_started: tf.Tensor  # [] int32, episodes
    into: Sampled


def no_episodes(environment: CompiledEnvironment, policy: Policy, num_episodes: int) -> Sampled:
    """A place for `num_episodes` episodes."""
    rows, head = num_episodes * environment.max_episode_steps, policy.head
    return Sampled(
        observations=tf.zeros([rows, policy.observation_size]),
        actions=tf.zeros([rows, *head.action_shape], head.action_dtype),
        log_probs=tf.zeros([rows]),
        rewards=tf.zeros([rows]),
        num_steps=tf.zeros([num_episodes], tf.int32),
        terminated=tf.zeros([num_episodes], tf.bool),
    )


def row_size(policy: Policy) -> int:
    """Bytes of one env step in `Sampled`."""
    head = policy.head
    action = math.prod(head.action_shape) * head.action_dtype.size
    return 4 * policy.observation_size + action + 4 + 4


def as_sampled(episodes: Episodes) -> Sampled:
    """Episodes `[B, T, …]`, with room for another batch in their place."""

    def rows(values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(values, [-1, *values.shape[2:]])

    return Sampled(
        observations=rows(episodes.observations),
        actions=rows(episodes.actions),
        log_probs=rows(episodes.log_probs),
        rewards=rows(episodes.rewards),
        num_steps=tf.math.count_nonzero(episodes.valid, axis=1, dtype=tf.int32),
        terminated=tf.reduce_any(episodes.terminated, axis=1),
    )


def as_episodes(sampled: Sampled) -> Episodes:
    """The episodes `[B, T, …]`; what stands on padding is not defined."""
    num_episodes = sampled.num_steps.shape[0]

    def batch(rows: tf.Tensor) -> tf.Tensor:
        return tf.reshape(rows, [num_episodes, -1, *rows.shape[1:]])

    rewards = batch(sampled.rewards)
    step = tf.range(rewards.shape[1])  # [T]
    num_steps, terminated = sampled.num_steps[:, tf.newaxis], sampled.terminated[:, tf.newaxis]
    last = step == num_steps - 1  # [B, T]
    return Episodes(
        observations=batch(sampled.observations),
        actions=batch(sampled.actions),
        log_probs=batch(sampled.log_probs),
        rewards=rewards,
        terminated=last & terminated,
        truncated=last & ~terminated,
        valid=step < num_steps,
    )


def sample_episodes(
    environment: CompiledEnvironment,
    policy: Policy,
    seed: tf.Tensor,
    into: Sampled,
    wanted: tf.Tensor | bool = True,
) -> Sampled:
    """Samples as many complete episodes as there is a place for.

    Episodes are numbered as they start, the first E at once and each later one in the first copy to
    become free, so which are kept is settled before any has run. Nothing needs the host: the caller
    compiles this.

    Args:
        environment: Written in TensorFlow.
        policy: The policy.
        seed: `[2]` int32, determines initial states and actions.
        into: Where they are written.
        wanted: Whether to sample; else `into` stays as it is.
    """
    limit, num_episodes = environment.max_episode_steps, into.num_steps.shape[0]
    num_envs = _num_copies(num_episodes)
    initial = environment.reset(num_episodes, seed + tf.constant([1, 0]))  # not a chunk's
    nobody = num_episodes * limit  # the row of a copy that has no episode left

    def step(index: tf.Tensor, noise: tf.Tensor, running: _Running) -> _Running:
        has_episode = running.episode < num_episodes  # [E]
        # What a copy without an episode does may overflow; 0 does in no network.
        observations = environment.observe(running.state)  # [E, O]
        observations = tf.where(has_episode[:, tf.newaxis], observations, 0)
        action = policy.act(observations, noise[index])
        log_prob = policy.head.log_prob(action.outputs, action.raw_action)
        state, rewards, terminated = environment.step(running.state, action.action)
        row = tf.where(has_episode, running.episode * limit + running.step, nobody)
        num_steps = running.step + 1
        ended = terminated | (num_steps == limit)
        following, num_started = tf.constant(num_episodes), running.num_started
        if num_envs < num_episodes:  # else all have started at once
            number = num_started + tf.cumsum(tf.cast(ended, tf.int32))  # [E], from 1
            following, num_started = number - 1, number[-1]
            state = _restart(state, initial, ended, following)
        into = running.into
        return _Running(
            state=state,
            episode=tf.where(ended, following, running.episode),
            step=tf.where(ended, 0, num_steps),
            num_started=num_started,
            into=Sampled(
                observations=write_rows(into.observations, row, observations),
                actions=write_rows(into.actions, row, action.raw_action),
                log_probs=write_rows(into.log_probs, row, log_prob),
                rewards=write_rows(into.rewards, row, rewards),
                num_steps=write_rows(into.num_steps, running.episode, num_steps),
                terminated=write_rows(into.terminated, running.episode, terminated),
            ),
        )

    def goes_on(running: _Running) -> tf.Tensor:
        return wanted & tf.reduce_any(running.episode < num_episodes)

    def chunk(number: tf.Tensor, running: _Running) -> tuple[tf.Tensor, _Running]:
        shape = [NOISE_STEPS, num_envs]
        noise = policy.head.noise(shape, _seed_of_chunk(seed, number + 1), algorithm())
        _, running = tf.while_loop(
            lambda index, running: (index < NOISE_STEPS) & goes_on(running),
            lambda index, running: (index + 1, step(index, noise, running)),
            (tf.constant(0), running),
        )
        return number + 1, running

    _, running = tf.while_loop(
        lambda _, running: goes_on(running),
        chunk,
        (
            tf.constant(0),
            _Running(
                state=tf.nest.map_structure(lambda values: values[:num_envs], initial),
                episode=tf.range(num_envs),
                step=tf.zeros([num_envs], tf.int32),
                num_started=tf.constant(num_envs),
                into=into,
            ),
        ),
    )
    return running.into


def _num_copies(num_episodes: int) -> int:
    """How many copies of the environment sample B episodes: about 4 √B.

    Of more, more wait for the last episodes to end; with fewer, what a step costs however few
    copies take it weighs more. The first cost is as E / B, the second as 1 / E.
    """
    num_rounds = max(1, round(math.sqrt(num_episodes) / 4))
    return math.ceil(num_episodes / num_rounds)


def _restart(state: State, initial: State, ended: tf.Tensor, episode: tf.Tensor) -> State:
    """`state` with the initial state of `episode` in each copy that has `ended`, `[E]`."""

    def restart(values: tf.Tensor, fresh: tf.Tensor) -> tf.Tensor:
        chosen = tf.gather(fresh, tf.minimum(episode, fresh.shape[0] - 1))
        return tf.where(tf.reshape(ended, [-1] + [1] * (values.shape.rank - 1)), chosen, values)

    return tf.nest.map_structure(restart, state, initial)


def _seed_of_chunk(seed: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """A seed `[2]` of its own for each chunk of steps of a batch.

    Seeds are keys of counter-based generators, which give unrelated numbers under neighbouring keys
    (Salmon et al. 2011). Those of batches are 64 random bits, so that their chunks do not meet;
    folding the number in would be one generator more to compile.
    """
    return seed + tf.stack([tf.constant(0), number])
