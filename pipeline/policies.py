"""A task's policy, from its parameters."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from models.action import Action
from models.heads import make_head
from models.policy import Policy, make_network
from pipeline.artifacts import Weights, out_of_step, read_arrays
from pipeline.environments.specification import EnvironmentSpecification
from pipeline.params import PolicyParams, TrainParams
from pipeline.reinforce.learner import Learner
from pipeline.reinforce.sampling import Act


def make_policy(
    params: PolicyParams, specification: EnvironmentSpecification, seed: np.random.SeedSequence
) -> Policy:
    """A policy with fresh weights for an environment.

    Args:
        params: The network.
        specification: The environment.
        seed: Determines the initial weights.
    """
    head = make_head(specification.action_space)
    size = specification.observation_size
    network = make_network(size, params.hidden_sizes, params.activation, head, seed)
    return Policy(network, head, size)


def make_learner(params: TrainParams, policy: Policy) -> Learner:
    """What updates `policy` by REINFORCE, with a fresh optimizer."""
    optimizer = keras.optimizers.get(
        {"class_name": params.optimizer, "config": {"learning_rate": params.learning_rate}}
    )
    return Learner(
        policy,
        optimizer,
        gamma=params.gamma,
        baseline=params.baseline,
        normalize_advantages=params.normalize_advantages,
        entropy_coefficient=params.entropy_coefficient,
        max_gradient_norm=params.max_gradient_norm,
    )


def compile_act(policy: Policy) -> Act:
    """The policy's seeded sample, compiled for any number of observations."""
    sample = tf.function(policy.sample, input_signature=policy.sample_signature)
    compiled = sample.get_concrete_function()  # whose call costs half of `sample`'s

    def act(observations: np.ndarray, seed: np.ndarray) -> Action:
        return compiled(tf.constant(observations), tf.constant(seed))

    return act


def get_weights(policy: Policy) -> dict[str, np.ndarray]:
    """The weights of a policy's network by variable path."""
    return {variable.path: variable.numpy() for variable in policy.network.trainable_variables}


def stack_weights(runs: list[dict[str, np.ndarray]]) -> Weights:
    """The weights of R runs, each `[…]`, as one array `[R, …]` for each variable."""
    return {path: np.stack([weights[path] for weights in runs]) for path in runs[0]}


def set_weights(policy: Policy, weights: Weights, run: int) -> None:
    """Sets the weights of a policy's network to those of one run."""
    for variable in policy.network.trainable_variables:
        variable.assign(weights[variable.path][run])


def read_weights(path: Path, policy: Policy, num_runs: int) -> Weights:
    """Reads the weights of `num_runs` runs of policies like `policy`.

    Raises:
        UserError: If the file is missing or damaged, or holds other weights than these.
    """
    weights = read_arrays(path)
    variables = policy.network.trainable_variables
    expected = {v.path: (num_runs, *v.shape) for v in variables}
    received = {path: values.shape for path, values in weights.items()}
    if received != expected:
        raise out_of_step(path, f"weights of shape {expected}", received)
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise out_of_step(path, "finite weights", "some that are not")
    return weights
