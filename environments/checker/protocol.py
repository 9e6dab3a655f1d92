"""A check that a compiled environment follows `CompiledEnvironment`."""

from typing import Any

import numpy as np
import tensorflow as tf
from gymnasium.vector.utils import batch_space

from environments.checker.nests import named_leaves
from environments.protocol import CompiledEnvironment, State

NUM_ENVS = 64  # E


def check_protocol(compiled: CompiledEnvironment, num_steps: int, seed: int) -> None:
    """Check shapes, dtypes and seeds, and that copies are independent.

    Numbers must also stay finite after the end of an episode.

    Args:
        compiled: The environment under test.
        num_steps: Env steps that copies take, T, whether or not their episodes end. The time limit
            is used if it is smaller.
        seed: Seed for states and actions.

    Raises:
        AssertionError: If the environment breaks the protocol. The message names the rule.
    """
    num_steps = min(num_steps, compiled.max_episode_steps)
    space = batch_space(compiled.action_space, NUM_ENVS)
    space.seed(seed)
    actions = np.stack([space.sample() for _ in range(num_steps)])  # [T, E, …]
    reset = tf.function(
        lambda seed: compiled.reset(NUM_ENVS, seed), jit_compile=True, autograph=False
    )
    state = reset(tf.constant([seed, 0]))
    _check_types(compiled, state, tf.constant(actions[0]))
    assert _equal(state, reset(tf.constant([seed, 0]))), (
        "Expected the same seed to give the same states."
    )
    first = tf.nest.map_structure(lambda leaf: np.broadcast_to(leaf[:1], leaf.shape), state)
    assert _equal(state, first) or not _equal(state, reset(tf.constant([seed, 1]))), (
        "Expected different seeds to give different states."
    )
    run = tf.function(
        lambda *arguments: _run(compiled, *arguments), jit_compile=True, autograph=False
    )
    num_taken, *numbers = run(state, actions)
    for name, leaf in zip(("observations", "rewards"), numbers, strict=True):
        assert np.isfinite(leaf).all(), (
            "Expected finite numbers, even after an episode has ended. Received after "
            f"{num_taken} env steps: {name} = {leaf.numpy().tolist()}"
        )
    assert _equal(numbers, run(state, actions)[1:]), (
        "Expected a step to depend only on state and actions. Received different results for the "
        "same state and actions"
    )
    _check_independence(compiled, state, tf.constant(actions[0]))


def _check_types(compiled: CompiledEnvironment, state: State, actions: tf.Tensor) -> None:
    """Check structures, shapes and dtypes."""
    for name, leaf in named_leaves(state, "initial state"):
        assert leaf.shape[:1] == [NUM_ENVS], (
            f"Expected {name} of shape [E, …]. Received: {leaf.shape}"
        )
    next_state, rewards, terminated = compiled.step(state, actions)
    expected = {
        "observe": tf.TensorSpec([NUM_ENVS, *compiled.observation_space.shape], tf.float32),
        "rewards": tf.TensorSpec([NUM_ENVS], tf.float32),
        "terminated": tf.TensorSpec([NUM_ENVS], tf.bool),
        **_types(state),
    }
    received = {
        **_types(compiled.observe(state), "observe"),
        **_types(rewards, "rewards"),
        **_types(terminated, "terminated"),
        **_types(next_state),
    }
    for name in expected | received:
        one, other = expected.get(name), received.get(name)
        assert one == other, f"{name}: expected {one}, received {other}"


def _check_independence(compiled: CompiledEnvironment, state: State, actions: tf.Tensor) -> None:
    """Check that a copy steps the same if other copies are left out or reordered."""
    order = list(reversed(range(NUM_ENVS - 1)))

    def gather(nest: Any) -> Any:
        return tf.nest.map_structure(lambda leaf: tf.gather(leaf, order), nest)

    reordered, original = (
        named_leaves(nest, "state")
        for nest in (
            compiled.step(gather(state), gather(actions))[0],
            gather(compiled.step(state, actions)[0]),
        )
    )
    for (name, one), (_, other) in zip(reordered, original, strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True), (
            f"Expected each copy to step independently. Received a different {name} after a change "
            "in the order of copies"
        )


def _types(nest: Any, name: str = "next state") -> dict[str, tf.TypeSpec]:
    return {where: tf.type_spec_from_value(leaf) for where, leaf in named_leaves(nest, name)}


def _run(
    compiled: CompiledEnvironment, state: State, actions: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Step until a number is not finite or the actions [T, E, …] are used up.

    Returns:
        The number of env steps taken, and the last observations [E, O] and rewards [E].
    """

    def is_finite(
        num_steps: tf.Tensor, _: State, observations: tf.Tensor, rewards: tf.Tensor
    ) -> tf.Tensor:
        finite = [tf.reduce_all(tf.math.is_finite(numbers)) for numbers in (observations, rewards)]
        return (num_steps < actions.shape[0]) & tf.reduce_all(finite)

    def step(num_steps: tf.Tensor, state: State, *_: tf.Tensor) -> tuple[Any, ...]:
        state, rewards, _ = compiled.step(state, actions[num_steps])
        return num_steps + 1, state, compiled.observe(state), rewards

    initial = (0, state, compiled.observe(state), tf.zeros([NUM_ENVS]))
    num_taken, _, observations, rewards = tf.while_loop(is_finite, step, initial)
    return num_taken, observations, rewards


def _equal(one: Any, other: Any) -> bool:
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
