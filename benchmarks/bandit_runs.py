"""Many runs of the bandit in one XLA program.

Each run has its own weights, one row of every variable, and takes one episode per update. A batch
with one episode of each run then updates all runs independently, because no weight is shared, and
gradient ascent and Adam treat each weight separately.

Shapes: R runs, U updates, A arms.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from environments.make import make_compiled
from environments.protocol import CompiledEnvironment
from environments.specification import inspect_environment
from models.heads import make_head
from models.networks import OUTPUT_SCALE
from models.policy import Policy
from pipeline.build.learners import make_learner
from pipeline.task.schema import TrainParams
from reinforce.sampling.compiled import empty_episodes, sample_into, stateless_seeds


class BanditRuns(NamedTuple):
    """The policies, actions and rewards of R runs."""

    distributions: np.ndarray  # [U + 1, R, A] the policies before each update and after the last
    actions: np.ndarray  # [U, R]
    rewards: np.ndarray  # [U, R]


class _State(NamedTuple):
    run: tf.Tensor  # [E] float32, the run of each environment copy
    bandit: Any


class _BanditOfRuns:
    """A bandit whose copy r belongs to run r, and observes the number r."""

    def __init__(self, bandit: CompiledEnvironment) -> None:
        self.bandit = bandit
        self.observation_space = bandit.observation_space
        self.action_space = bandit.action_space
        self.max_episode_steps = bandit.max_episode_steps

    def reset(self, num_envs: int, seed: tf.Tensor) -> _State:
        return _State(tf.range(float(num_envs)), self.bandit.reset(num_envs, seed))

    def observe(self, state: _State) -> tf.Tensor:
        return state.run[:, tf.newaxis]

    def step(self, state: _State, actions: tf.Tensor) -> tuple[_State, tf.Tensor, tf.Tensor]:
        bandit, rewards, terminated = self.bandit.step(state.bandit, actions)
        return state._replace(bandit=bandit), rewards, terminated


class DenseOfRuns(keras.layers.Layer):
    """A Dense layer for each run, with input 1. It maps numbers of runs `[N, 1]` to `[N, P]`.

    Args:
        kernels: Initial weights, `[R, 1, P]`. Biases `[R, P]` start at 0, as in Dense.
    """

    def __init__(self, kernels: np.ndarray) -> None:
        super().__init__(name="dense_of_runs")
        self.kernel = self.add_weight(shape=kernels.shape, name="kernel")
        self.bias = self.add_weight(shape=kernels[:, 0].shape, initializer="zeros", name="bias")
        self.kernel.assign(kernels)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        run = tf.cast(inputs[:, 0], tf.int32)
        return tf.gather(self.kernel[:, 0] + self.bias, run)


def initial_kernels(num_runs: int, num_arms: int) -> np.ndarray:
    """Draw last-layer weights for `num_runs` new policy networks, `[R, 1, A]`."""
    return np.stack(
        [
            keras.initializers.Orthogonal(OUTPUT_SCALE, seed=run)((1, num_arms)).numpy()
            for run in range(num_runs)
        ]
    )


def compile_runs(
    probabilities: Sequence[float],
    kernels: np.ndarray,
    optimizer: Literal["adam", "sgd", "rmsprop"],
    num_updates: int,
) -> Callable[[float], BanditRuns]:
    """Compile plain REINFORCE on the bandit, with one episode per update.

    XLA compiles at the first call. All calls train the same initial policies with the same random
    numbers; only the learning rate differs.

    Args:
        probabilities: Win probability of each arm, `[A]`.
        kernels: Initial weights of the runs, `[R, 1, A]`.
        optimizer: As in params.yaml.
        num_updates: U.

    Returns:
        A function of the learning rate.
    """
    num_runs = len(kernels)
    specification = inspect_environment("Bandit-v0", {"probabilities": list(probabilities)})
    environment = _BanditOfRuns(make_compiled(specification))
    network = keras.Sequential([keras.Input((1,)), DenseOfRuns(kernels)])
    policy = Policy(network, make_head(environment.action_space), observation_size=1)
    train = TrainParams(
        num_episodes=num_updates,
        episodes_per_update=1,
        gamma=1.0,
        optimizer=optimizer,
        learning_rate=1.0,  # each call sets its own
        baseline="none",
        normalize_advantages=False,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
        reward_scale=num_runs,  # the loss averages over R episodes, one per run
    )
    learner = make_learner(train, policy)
    initial = network.get_weights()
    seeds = stateless_seeds([np.random.SeedSequence([0, update]) for update in range(num_updates)])

    def distributions() -> tf.Tensor:
        return policy.head.parameters(
            policy.outputs(tf.range(float(num_runs))[:, tf.newaxis])
        )  # [R, A]

    @tf.function(jit_compile=True, autograph=False)
    def program() -> BanditRuns:
        def update(previous: BanditRuns, seed: tf.Tensor) -> BanditRuns:
            del previous  # the variables carry the state between updates
            into = empty_episodes(
                policy, num_runs, environment.max_episode_steps, with_final_observations=False
            )
            episodes = sample_into(into, environment, policy, seed)
            learner.update(episodes)
            return BanditRuns(distributions(), episodes.actions[:, 0], episodes.rewards[:, 0])

        before = BanditRuns(distributions(), tf.zeros(num_runs, tf.int64), tf.zeros(num_runs))
        after = tf.scan(update, seeds, before)
        return after._replace(
            distributions=tf.concat([before.distributions[tf.newaxis], after.distributions], 0)
        )

    def run(learning_rate: float) -> BanditRuns:
        network.set_weights(initial)
        learner.reset(np.random.SeedSequence(0))  # has no value network to initialize
        learner.optimizer.learning_rate = learning_rate
        return BanditRuns(*(values.numpy() for values in program()))

    return run
