"""A GPU's limits, and the training iteration written by hand in jax; needs only jax.

    python benchmarks/gpu/peer.py --episodes 512 4096 65536

The peer is the CartPole-v1 iteration that `python -m benchmarks.gpu export` exports. A policy with
two layers of 64 tanh units samples all episodes at once. Returns minus their mean at each step are
normalized, and Adam applies the gradient over all valid steps. The layout suits a GPU: time first,
a loop that ends with the last episode, and gradients of several time steps at once.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

LIMIT = 500  # env steps of an episode
ROWS = 262_144  # env steps per gradient chunk
GAMMA, LEARNING_RATE = 0.99, 1e-3
LAUNCHES = 5_000
BANDWIDTH_BYTES = 2**30


class Training(NamedTuple):
    """Weights and Adam's moments."""

    weights: Any
    first: Any
    second: Any
    updates: jax.Array


def fresh(key: jax.Array) -> Training:
    """Draw initial weights (Glorot)."""
    weights = []
    for rows, columns in [(4, 64), (64, 64), (64, 2)]:
        key, drawn = jax.random.split(key)
        limit = math.sqrt(6 / (rows + columns))
        kernel = jax.random.uniform(drawn, (rows, columns), minval=-limit, maxval=limit)
        weights.append((kernel, jnp.zeros(columns)))
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return Training(weights, zeros, zeros, jnp.zeros((), jnp.int32))


def logits_of(weights: Any, observations: jax.Array) -> jax.Array:
    """Apply the network: `[N, 4]` → `[N, 2]`."""
    *hidden, (kernel, bias) = weights
    for hidden_kernel, hidden_bias in hidden:
        observations = jnp.tanh(observations @ hidden_kernel + hidden_bias)
    return observations @ kernel + bias


def cartpole_step(state: jax.Array, actions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Step CartPole-v1 from states `[4, B]`; return the next ones and which are terminal."""
    _, velocity, angle, angular_velocity = state
    force = jnp.where(actions == 1, 10.0, -10.0)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    push = (force + 0.05 * angular_velocity**2 * sine) / 1.1
    angular = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    acceleration = push - 0.05 * angular * cosine / 1.1
    derivative = jnp.stack([velocity, acceleration, angular_velocity, angular])
    state = state + 0.02 * derivative
    return state, (abs(state[0]) > 2.4) | (abs(state[2]) > 12 * 2 * math.pi / 360)


class Rollout(NamedTuple):
    """Episodes, time first."""

    observations: jax.Array  # [T, B, 4]
    actions: jax.Array  # [T, B]
    valid: jax.Array  # [T, B]


def sample(weights: Any, key: jax.Array, num_episodes: int) -> tuple[Rollout, jax.Array]:
    """Sample complete episodes; return them and the length of the longest."""
    initial, noise = jax.random.split(key)
    state = jax.random.uniform(initial, (4, num_episodes), minval=-0.05, maxval=0.05)
    shape = (LIMIT, num_episodes)
    rollout = Rollout(
        jnp.zeros((*shape, 4)), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.bool_)
    )

    def step(carry: Any) -> Any:
        index, state, alive, rollout = carry
        observations = state.T
        logits = logits_of(weights, observations)
        actions = jax.random.categorical(jax.random.fold_in(noise, index), logits)
        written = Rollout(observations, actions.astype(jnp.int32), alive)
        rollout = jax.tree.map(lambda into, row: into.at[index].set(row), rollout, written)
        state, terminal = cartpole_step(state, actions)
        return index + 1, state, alive & ~terminal, rollout

    alive = jnp.ones(num_episodes, jnp.bool_)
    longest, _, _, rollout = lax.while_loop(
        lambda carry: (carry[0] < LIMIT) & carry[2].any(), step, (0, state, alive, rollout)
    )
    return rollout, longest


def advantages_of(valid: jax.Array, longest: jax.Array) -> jax.Array:
    """Compute normalized advantages, `[T, B]`; each valid step's reward is 1."""

    def step(index: jax.Array, carry: Any) -> Any:
        following, returns = carry
        time_step = longest - 1 - index
        following = jnp.where(valid[time_step], 1 + GAMMA * following, 0)
        return following, returns.at[time_step].set(following)

    zeros = jnp.zeros(valid.shape[1]), jnp.zeros(valid.shape)
    _, returns = lax.fori_loop(0, longest, step, zeros)
    advantages = jnp.where(valid, returns - returns.mean(axis=1, keepdims=True), 0)
    count = valid.sum()
    mean = advantages.sum() / count
    deviation = jnp.sqrt((jnp.where(valid, advantages - mean, 0) ** 2).sum() / count)
    return jnp.where(valid, (advantages - mean) / deviation, 0)


@partial(jax.jit, static_argnames="num_episodes")
def iterate(training: Training, key: jax.Array, num_episodes: int) -> tuple[Training, jax.Array]:
    """Make one update; also return its number of env steps."""
    rollout, longest = sample(training.weights, key, num_episodes)
    advantages = advantages_of(rollout.valid, longest)
    steps_per_chunk = max(
        n for n in range(1, LIMIT + 1) if LIMIT % n == 0 and n <= max(1, ROWS // num_episodes)
    )

    def loss(weights: Any, begin: jax.Array) -> jax.Array:
        observations, actions, chosen = (
            lax.dynamic_slice_in_dim(values, begin, steps_per_chunk)
            for values in (rollout.observations, rollout.actions, advantages)
        )
        log_probs = jax.nn.log_softmax(logits_of(weights, observations.reshape(-1, 4)))
        taken = jnp.where(actions.reshape(-1) == 1, log_probs[:, 1], log_probs[:, 0])
        return -(taken * chosen.reshape(-1)).sum() / num_episodes

    def add(carry: Any) -> Any:
        begin, total = carry
        return begin + steps_per_chunk, jax.tree.map(
            jnp.add, total, jax.grad(loss)(training.weights, begin)
        )

    zeros = jax.tree.map(jnp.zeros_like, training.weights)
    _, gradient = lax.while_loop(lambda carry: carry[0] < longest, add, (0, zeros))
    updates = training.updates + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, training.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, training.second, gradient)
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**updates) / (1 - 0.9**updates)
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), training.weights, first, second
    )
    return Training(weights, first, second, updates), rollout.valid.sum()


def seconds_of(call: Callable[[], Any], repetitions: int = 7) -> float:
    """Measure the median time of a call, after compiling it."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def limits() -> dict[str, float]:
    """Measure µs per iteration of loops with a fixed and a tested end, and memory GB/s."""
    values = jnp.zeros(1024)

    @jax.jit
    def counted(values: jax.Array) -> jax.Array:
        return lax.fori_loop(0, LAUNCHES, lambda _, v: v * 1.0001 + 1, values)

    @jax.jit
    def tested(values: jax.Array) -> jax.Array:
        return lax.while_loop(lambda v: v[0] < LAUNCHES, lambda v: v + 1, values)

    many = jnp.zeros(BANDWIDTH_BYTES // 4)
    copied = jax.jit(lambda v: v + 1)
    return {
        "launch_us": seconds_of(lambda: counted(values)) / LAUNCHES * 1e6,
        "asked_turn_us": seconds_of(lambda: tested(values)) / LAUNCHES * 1e6,
        "gb_per_second": 2 * BANDWIDTH_BYTES / seconds_of(lambda: copied(many)) / 1e9,
    }


def main() -> None:
    """Print the device's limits, then the peer's rate per number of episodes, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, nargs="+", default=[512, 4096, 65_536])
    options = parser.parse_args()
    print(json.dumps({"device": jax.devices()[0].device_kind, **limits()}), flush=True)
    for num_episodes in options.episodes:
        training, times, steps = fresh(jax.random.key(0)), [], []
        for update in range(12):
            # Always untrained, as in the exported program's first update.
            training = fresh(jax.random.key(0))
            jax.block_until_ready(training)
            begun = time.perf_counter()
            training, num_env_steps = iterate(training, jax.random.key(update), num_episodes)
            steps.append(int(num_env_steps))
            times.append(time.perf_counter() - begun)
        rates = [n / seconds for n, seconds in zip(steps[2:], times[2:], strict=True)]
        row = {"num_episodes": num_episodes, "compile_seconds": times[0]}
        row |= {"env_steps": steps[-1], "env_steps_per_second": statistics.median(rates)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
