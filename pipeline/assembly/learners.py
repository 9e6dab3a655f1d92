"""What trains a policy, from the parameters of a task."""

from collections.abc import Mapping

import keras
import numpy as np

from models.network import make_value_network
from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.assembly.policies import set_weights
from pipeline.files.artifacts import Weights
from pipeline.parameters.schema import TrainParams, ValueParams
from pipeline.reinforce.best import BestPolicy
from pipeline.reinforce.chunks import CHUNK_SIZE
from pipeline.reinforce.learner import Learner
from pipeline.reinforce.value import ValueBaseline


def make_learner(params: TrainParams, policy: Policy, chunk_size: int = CHUNK_SIZE) -> Learner:
    """What updates `policy` by REINFORCE, with fresh optimizers.

    Args:
        params: How the policy learns.
        policy: The policy.
        chunk_size: Env steps that are differentiated at a time. Defaults to what suits XLA.
    """
    normalizer = next(
        (layer for layer in policy.network.layers if isinstance(layer, RunningNormalization)), None
    )
    return Learner(
        policy,
        _make_optimizer(params.optimizer, learning_rate(params)),
        gamma=params.gamma,
        reward_scale=params.reward_scale,
        baseline=(
            _make_value_baseline(params.value, policy, normalizer, chunk_size)
            if params.baseline == "value"
            else params.baseline
        ),
        normalize_advantages=params.normalize_advantages,
        entropy_coefficient=params.entropy_coefficient,
        max_gradient_norm=params.max_gradient_norm,
        chunk_size=chunk_size,
        normalizer=normalizer,
        best=(
            BestPolicy(policy.network, params.episodes_per_update)
            if params.keep == "best"
            else None
        ),
    )


def begin_run(
    learner: Learner, params: TrainParams, weights: Weights, run: int, seed: np.random.SeedSequence
) -> None:
    """Gives a learner the initial policy of a run, and a fresh value network if it has one.

    Args:
        learner: What `make_learner` made of the same `params`.
        params: How the policies learn.
        weights: Of the initial policies, `[R, …]`.
        run: Which of them.
        seed: Determines the value network's initial weights.
    """
    set_weights(learner.policy, weights, run)
    if isinstance(learner.baseline, ValueBaseline):
        fresh = make_value_network(
            learner.policy.observation_size,
            params.value.hidden_sizes,
            params.value.activation,
            seed,
        )
        for variable, value in zip(learner.baseline.variables, fresh.get_weights(), strict=True):
            variable.assign(value)


def learning_rate(params: TrainParams) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate, or Keras's schedule of it over the updates of a run."""
    initial, final = params.learning_rate, params.final_learning_rate
    num_updates = params.num_episodes // params.episodes_per_update
    schedules = keras.optimizers.schedules
    match params.learning_rate_schedule:
        case "linear":
            return schedules.PolynomialDecay(initial, num_updates, final)
        case "cosine":
            return schedules.CosineDecay(initial, num_updates, alpha=final / initial)
        case "exponential":
            return schedules.ExponentialDecay(initial, num_updates, final / initial)
    return initial


def _make_optimizer(
    name: str, rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.Optimizer:
    return keras.optimizers.get({"class_name": name, "config": {"learning_rate": rate}})


def _make_value_baseline(
    params: ValueParams,
    policy: Policy,
    normalizer: RunningNormalization | None,
    chunk_size: int,
) -> ValueBaseline:
    """With any weights: `begin_run` sets them."""
    network = make_value_network(
        policy.observation_size,
        params.hidden_sizes,
        params.activation,
        np.random.SeedSequence(0),
        normalizer,
    )
    return ValueBaseline(
        network,
        _make_optimizer(params.optimizer, params.learning_rate),
        steps_per_update=params.steps_per_update,
        normalize_targets=params.normalize_targets,
        chunk_size=chunk_size,
    )


def get_state(learner: Learner) -> dict[str, np.ndarray]:
    """All that training has changed, by name."""
    return {name: variable.numpy() for name, variable in learner.state.items()}


def set_state(learner: Learner, state: Mapping[str, np.ndarray]) -> None:
    """Brings a learner to where it was when `get_state` gave `state`."""
    for name, variable in learner.state.items():
        variable.assign(state[name])
