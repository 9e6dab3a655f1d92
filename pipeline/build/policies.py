"""Building a policy from a task's parameters; reading and setting its weights."""

from pathlib import Path

import numpy as np

from environments.specification import EnvironmentSpecification
from models.heads import make_head
from models.networks import make_policy_network
from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.task.artifacts import Weights, read_arrays, stale_file
from pipeline.task.schema import PolicyParams

ANY_SEED = np.random.SeedSequence(0)


def make_policy(
    params: PolicyParams,
    specification: EnvironmentSpecification,
    seed: np.random.SeedSequence = ANY_SEED,
) -> Policy:
    """Make a policy with fresh weights for an environment.

    Args:
        params: The task's `policy` section.
        specification: The specification of the environment.
        seed: The seed of the initial weights. Defaults to a constant, for weights that are
            replaced anyway.
    """
    head = make_head(
        specification.action_space,
        state_dependent=params.standard_deviation == "state_dependent",
        initial_standard_deviation=params.initial_standard_deviation,
        squash=params.bounded_actions == "squash",
        masked=specification.action_mask is not None,
    )
    size = specification.observation_size
    normalizer = (
        RunningNormalization(name="normalization") if params.normalize_observations else None
    )
    network = make_policy_network(
        size, params.hidden_sizes, params.activation, head, seed, normalizer
    )
    return Policy(network, head, size)


def get_weights(policy: Policy) -> dict[str, np.ndarray]:
    """Copy the weights of a policy's network, by variable path, with observation statistics."""
    return {variable.path: variable.numpy() for variable in policy.network.weights}


def set_weights(policy: Policy, weights: Weights, run: int) -> None:
    """Set the weights of a policy's network to those of one run."""
    for variable in policy.network.weights:
        variable.assign(weights[variable.path][run])


def read_weights(path: Path, policy: Policy, num_runs: int) -> Weights:
    """Read the weights of `num_runs` runs, whose policies have the same variables as `policy`.

    Raises:
        UserError: If the file is missing or damaged, or its weights have other names, shapes or
            types or are not finite.
    """
    weights = read_arrays(path)
    variables = policy.network.weights
    expected = {v.path: (num_runs, *v.shape) for v in variables}
    received = {path: values.shape for path, values in weights.items()}
    if received != expected:
        raise stale_file(path, f"weights of shape {expected}", received)
    dtypes = {v.path: np.dtype(v.dtype) for v in variables}
    if (received_dtypes := {path: values.dtype for path, values in weights.items()}) != dtypes:
        raise stale_file(path, f"weights of type {dtypes}", received_dtypes)
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise stale_file(path, "finite weights", "infinity or NaN")
    return weights
