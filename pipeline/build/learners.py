"""Building the learner and the trainer of a task from its parameters."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from models.networks import make_value_network
from models.normalization import RunningNormalization
from models.policy import Policy
from pipeline.build.samplers import make_compiled_environment, make_sampler
from pipeline.task.schema import TrainParams, ValueParams
from pipeline.task.task import Task
from reinforce.baselines import BASELINES, Baseline
from reinforce.best import BestPolicy
from reinforce.learner import Learner
from reinforce.schedule import EnvStepSchedule, Schedule, UpdateSchedule
from reinforce.train import CompiledTrainer, SampledTrainer, Trainer
from reinforce.tuning import tuning
from reinforce.value import ValueBaseline


def make_trainer(task: Task, policy: Policy, updates_per_call: int | None = None) -> Trainer:
    """Make the task's trainer of `policy`, with fresh optimizers.

    Args:
        task: The task.
        policy: The policy.
        updates_per_call: See CompiledTrainer, which also provides the default.

    Raises:
        UserError: See `make_compiled_environment`.
    """
    params = task.params.train
    learner = make_learner(params, policy, eager=not task.is_compiled)
    normalizer, best = _normalizer(policy), None
    if params.keep == "best":
        best = BestPolicy(policy.network, params.episodes_per_update)
    if task.is_compiled:
        return CompiledTrainer(
            learner,
            make_compiled_environment(task, policy, params.episodes_per_update),
            params.episodes_per_update,
            updates_per_call=updates_per_call,
            normalizer=normalizer,
            best=best,
        )
    sampler = make_sampler(task, policy, params.episodes_per_update)
    return SampledTrainer(learner, sampler, normalizer=normalizer, best=best)


def make_learner(params: TrainParams, policy: Policy, eager: bool = False) -> Learner:
    """Make the REINFORCE learner of `policy`, with fresh optimizers.

    Args:
        params: The task's `train` section.
        policy: The policy.
        eager: Execute operations one by one instead of compiling them with XLA. Defaults to False.
    """
    return Learner(
        policy,
        _make_optimizer(params.optimizer, params.learning_rate),
        gamma=params.gamma,
        reward_scale=params.reward_scale,
        bootstrap_truncated=params.bootstrap_truncated,
        baseline=_make_baseline(params, policy, eager),
        normalize_advantages=params.normalize_advantages,
        entropy_coefficient=params.entropy_coefficient,
        max_gradient_norm=params.max_gradient_norm,
        chunk_size=_chunk_size(eager),
    )


def make_schedule(params: TrainParams) -> Schedule:
    """Make the schedule of the learning rate over a run's updates or env steps."""
    initial, final = params.learning_rate, params.final_learning_rate
    rates: Callable[[np.ndarray], np.ndarray] = {
        "constant": lambda progress: np.full(len(progress), initial),
        "linear": lambda progress: initial + (final - initial) * progress,
        "cosine": lambda progress: final + (initial - final) * (1 + np.cos(np.pi * progress)) / 2,
        "exponential": lambda progress: initial * (final / initial) ** progress,
    }[params.learning_rate_schedule]
    if params.num_updates is None:
        return EnvStepSchedule(params.budget.total, rates)
    progress = np.arange(params.num_updates) / params.num_updates
    return UpdateSchedule(rates(progress).astype(np.float32))


def set_hyperparameters(learner: Learner, params: TrainParams) -> None:
    """Set the hyperparameters that are not part of the compiled program (see `program_params`)."""
    learner.set_hyperparameters(
        gamma=params.gamma,
        reward_scale=params.reward_scale,
        entropy_coefficient=params.entropy_coefficient,
        max_gradient_norm=params.max_gradient_norm,
    )
    if isinstance(learner.baseline, ValueBaseline):
        learner.baseline.optimizer.learning_rate.assign(params.value.learning_rate)


def program_params(params: TrainParams) -> TrainParams:
    """Replace the hyperparameters that the compiled program reads from variables by constants.

    The same result means the same program.
    """
    return params.model_copy(
        update={
            "num_episodes": params.episodes_per_update,
            "num_env_steps": None,
            "learning_rate": 1.0,
            "learning_rate_schedule": "constant",
            "final_learning_rate": 0.0,
            "gamma": 1.0,
            "reward_scale": 1.0,
            "entropy_coefficient": float(params.entropy_coefficient > 0),
            "max_gradient_norm": None if params.max_gradient_norm is None else 1.0,
            "value": params.value.model_copy(update={"learning_rate": 1.0}),
        }
    )


def get_state(trainer: Trainer) -> dict[str, np.ndarray]:
    """Copy all variables that training changes, by name."""
    return {name: variable.numpy() for name, variable in trainer.state.items()}


def set_state(trainer: Trainer, state: Mapping[str, np.ndarray]) -> None:
    """Restore the state that `get_state` returned."""
    for name, variable in trainer.state.items():
        variable.assign(state[name])


def _make_optimizer(name: str, rate: float) -> keras.Optimizer:
    return keras.optimizers.get({"class_name": name, "config": {"learning_rate": rate}})


def _make_baseline(params: TrainParams, policy: Policy, eager: bool) -> Baseline:
    if params.baseline != "value":
        return BASELINES[params.baseline]
    return make_value_baseline(params.value, policy, eager=eager)


def make_value_baseline(params: ValueParams, policy: Policy, eager: bool = False) -> ValueBaseline:
    """Make the baseline `value`; its network shares the policy's observation normalization.

    Args:
        params: The task's `train.value` section.
        policy: The policy.
        eager: See `make_learner`.
    """
    normalizer = _normalizer(policy)

    def make_network(seed: np.random.SeedSequence) -> keras.Model:
        return make_value_network(
            policy.observation_size, params.hidden_sizes, params.activation, seed, normalizer
        )

    return ValueBaseline(
        make_network,
        _make_optimizer(params.optimizer, params.learning_rate),
        steps_per_update=params.steps_per_update,
        normalize_targets=params.normalize_targets,
        chunk_size=_chunk_size(eager),
    )


def _chunk_size(eager: bool) -> int:
    return tuning().eager_chunk_size if eager else tuning().chunk_size


def _normalizer(policy: Policy) -> RunningNormalization | None:
    layers = policy.network.layers
    return next((layer for layer in layers if isinstance(layer, RunningNormalization)), None)
