"""A ceiling for training on one core, from its three parts measured alone.

For each env step, an iteration of REINFORCE runs the network forward to sample, forward and
backward to learn, and steps the environment. At rates f, g and s per second, these parts together
allow 1 / (1/f + 1/g + 1/s) env steps per second. The rates are for batches of one observation per
episode of the update, and for Keras's dense layers or NumPy. An iteration can therefore exceed this
ceiling, by larger batches or faster layers. In a MuJoCo environment, s is the rate of the
simulation alone, without observations, rewards and terminations.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import mujoco
import numpy as np
import tensorflow as tf
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.vector.utils import batch_space

from benchmarks.networks import NumpyNetwork
from environments.make import make_compiled
from environments.specification import EnvironmentSpecification
from environments.vector.protocol import VectorEnvironments
from models.policy import Policy

Repeated = Callable[[], int]  # repeats a piece of work; returns the number of repetitions


def combined(forward: float, forward_backward: float, step: float) -> float:
    """Compute the ceiling in env steps a second from the rates of its parts."""
    return 1 / (1 / forward + 1 / forward_backward + 1 / step)


def network_passes(
    policy: Policy, observations: np.ndarray, repetitions: int
) -> dict[str, dict[str, Repeated]]:
    """Prepare passes of the policy's network over observations `[N, O]`, in NumPy and XLA.

    Returns:
        Functions for `forward` and `forward_backward`, each by `numpy` and `xla`. They return the
        number of observations.
    """
    network = NumpyNetwork(policy)
    outputs = network.forward(observations)[-1]
    weights = np.ones_like(outputs)
    count = repetitions * len(observations)

    def repeated(function: Callable[[], Any]) -> Repeated:
        def run() -> int:
            for _ in range(repetitions):
                function()
            return count

        return run

    def compiled(function: Callable[[], Any]) -> Repeated:
        def run() -> int:
            function()[-1].numpy()
            return count

        return run

    forward, forward_backward = _compile_network(policy, observations, weights, repetitions)
    return {
        "forward": {
            "numpy": repeated(lambda: network.forward(observations)),
            "xla": compiled(forward),
        },
        "forward_backward": {
            "numpy": repeated(lambda: network.forward_backward(observations, weights)),
            "xla": compiled(forward_backward),
        },
    }


def _compile_network(
    policy: Policy, observations: np.ndarray, weights: np.ndarray, repetitions: int
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Compile forward, and forward and backward passes, as XLA programs with `repetitions`.

    Each repetition's result changes the next one's input and weights by an amount that float32
    rounds away. Otherwise XLA would compute the pass only once.
    """
    variables = policy.network.trainable_variables
    batch, weights = tf.constant(observations), tf.constant(weights)

    def outputs(change: tf.Tensor) -> tf.Tensor:
        return policy.network(batch + change)[:, : weights.shape[1]]

    def forward(total: tf.Tensor) -> tuple[tf.Tensor]:
        return (tf.reduce_sum(outputs(1e-30 * total)),)

    def forward_backward(*totals: tf.Tensor) -> tuple[tf.Tensor, ...]:
        change = 1e-30 * tf.reshape(totals[0], [-1])[0]
        with tf.GradientTape() as tape:
            objective = tf.reduce_sum((weights + change) * outputs(change))
        gradients = tape.gradient(objective, variables, unconnected_gradients="zero")
        return tuple(t + g for t, g in zip(totals, gradients, strict=True))

    def program(body: Callable[..., tuple[tf.Tensor, ...]], initial: tuple[tf.Tensor, ...]) -> Any:
        return tf.function(
            lambda: tf.while_loop(
                lambda index, *_: index < repetitions,
                lambda index, *values: (index + 1, *body(*values)),
                (0, *initial),
            ),
            jit_compile=True,
            autograph=False,
        )

    zeros = tuple(tf.zeros(variable.shape) for variable in variables)
    return program(forward, (tf.constant(0.0),)), program(forward_backward, zeros)


def compiled_steps(specification: EnvironmentSpecification, num_envs: int, steps: int) -> Repeated:
    """Prepare steps of a compiled environment, with random actions, as one XLA program.

    A copy whose episode has ended restarts from its first state. The function counts env steps.
    """
    environment = make_compiled(specification)
    space = batch_space(environment.action_space, num_envs)
    space.seed(0)
    actions = tf.constant(np.stack([space.sample() for _ in range(steps)]))

    @tf.function(jit_compile=True, autograph=False)
    def program(actions: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        initial = environment.reset(num_envs, seed)

        def step(index: tf.Tensor, state: Any, total: tf.Tensor) -> tuple[Any, ...]:
            state, rewards, terminated = environment.step(state, actions[index])
            state = tf.nest.map_structure(
                lambda now, first: tf.where(
                    tf.reshape(terminated, [-1] + [1] * (now.shape.rank - 1)), first, now
                ),
                state,
                initial,
            )
            return index + 1, state, total + tf.reduce_sum(rewards)

        return tf.while_loop(lambda index, *_: index < steps, step, (0, initial, 0.0))[-1]

    seed = tf.constant([0, 0])

    def run() -> int:
        program(actions, seed).numpy()
        return num_envs * steps

    return run


def mujoco_steps(
    env: gymnasium.Env[Any, Any], num_envs: int, steps: int, length: int
) -> Repeated | None:
    """Prepare steps of MuJoCo's simulation alone, with random actions.

    All copies restart after `length` steps, so that robots have not fallen for longer than in
    episodes of that length. The function counts env steps. It is None if the environment is not
    one of Gymnasium's for MuJoCo.
    """
    inner = env.unwrapped
    if not isinstance(inner, MujocoEnv):
        return None
    model, num_frames = inner.model, inner.frame_skip
    space = batch_space(env.action_space, num_envs)
    space.seed(0)
    actions = [space.sample() for _ in range(steps)]
    copies = [mujoco.MjData(model) for _ in range(num_envs)]
    controls = [copy.ctrl for copy in copies]

    def run() -> int:
        for index, batch in enumerate(actions):
            if index % length == 0:
                for copy in copies:
                    mujoco.mj_resetData(model, copy)
            for copy, control, action in zip(copies, controls, batch, strict=True):
                control[:] = action
                mujoco.mj_step(model, copy, num_frames)
        return steps * num_envs

    return run


def gymnasium_steps(
    environments: VectorEnvironments, action_space: gymnasium.Space[Any], steps: int
) -> Repeated:
    """Prepare steps of Gymnasium's environments, with random actions.

    The function counts env steps. Where copies can only step together, the count includes the
    steps that begin an episode.
    """
    space = batch_space(action_space, environments.num_envs)
    space.seed(0)
    actions = [space.sample() for _ in range(steps)]
    copies = np.arange(environments.num_envs)
    environments.reset(seed=0)

    def run() -> int:
        for batch in actions:
            outcome = environments.step(copies, batch)
            environments.begin(copies[outcome.terminated | outcome.truncated])
        return steps * environments.num_envs

    return run
