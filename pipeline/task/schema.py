"""params.yaml as frozen, checked values: seed, and one section for each task."""

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.task.mistakes import (
    Expected,
    one_of,
)

Activation = Literal["tanh", "relu", "elu", "gelu", "silu", "sigmoid"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Baseline = Literal["none", "leave_one_out", "per_step", "value"]
Schedule = Literal["constant", "linear", "cosine", "exponential"]
StandardDeviation = Literal["state_independent", "state_dependent"]
BoundedActions = Literal["clip", "squash"]
Keep = Literal["final", "best"]
Backend = Literal["auto", "compiled", "gymnasium"]

BASELINES_OVER_OTHER_EPISODES: tuple[Baseline, ...] = ("leave_one_out", "per_step")


def _is_plain(value: Any) -> bool:
    match value:
        case None | bool() | int():
            return True
        case float():
            return not math.isnan(value)  # NaN differs from itself: its stages would always rerun
        case str():
            return "${" not in value  # DVC would look for a parameter of that name
        case list():
            return all(map(_is_plain, value))
        case dict():
            return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
        case _:
            return False  # a date, which DVC cannot hold


def _plain(value: Any) -> Any:
    if not _is_plain(value):
        raise ValueError
    return value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Seed = Annotated[int, Field(ge=0, lt=2**32), Expected("an integer from 0 to 4294967295")]
# What numbers its elements by 32 bits can hold no more.
Count = Annotated[int, Field(ge=1, lt=2**31), Expected("an integer from 1 to 2147483647")]
CountOrZero = Annotated[int, Field(ge=0, lt=2**31), Expected("an integer from 0 to 2147483647")]
# Of fewer, the bootstrap's resamples would too often be one batch over and over.
Batches = Annotated[int, Field(ge=10, lt=2**31), Expected("an integer from 10 to 2147483647")]
CountOrNone = Annotated[
    Annotated[int, Field(ge=1, lt=2**31)] | None,
    Expected("an integer from 1 to 2147483647, or null"),
]
Fraction = Annotated[float, Field(ge=0, le=1), Expected("a number from 0 to 1")]
# As float32, in which learning computes, larger numbers are ∞ and smaller ones may be 0.
NotNegative = Annotated[float, Field(ge=0, le=1e30), Expected("a number from 0 to 1e30")]
Positive = Annotated[float, Field(ge=1e-30, le=1e30), Expected("a number from 1e-30 to 1e30")]
PositiveOrNone = Annotated[
    Annotated[float, Field(ge=1e-30, le=1e30)] | None,
    Expected("a number from 1e-30 to 1e30, or null"),
]
Flag = Annotated[bool, Expected("true or false")]
Sizes = Annotated[
    tuple[Count, ...], BeforeValidator(_tuple), Expected("a list of integers, as in [64, 64] or []")
]
EnvId = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_plain),
    Expected("the id of a Gymnasium environment, as in CartPole-v1"),
]
MaskName = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
Keyword = Annotated[
    str, Field(pattern=r"^[^\W\d]\w*\z"), Expected("the name of a keyword argument")
]
PlainValue = Annotated[
    Any,
    AfterValidator(_plain),
    Expected("text without ${, a number, true, false, null, or lists or mappings of these"),
]
# A task's name is part of its folder's and its DVC stages' names.
TaskName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}\z"),
    Expected("a task name: a letter, then letters, digits, _ and -, 100 in all at most"),
]


class Section(BaseModel):
    """A part of params.yaml: no unknown field, no conversion but that of integers to floats."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class EnvParams(Section):
    """The environment that the task's policies act in."""

    id: EnvId = Field(description="an installed environment; module:Id imports module first")
    kwargs: Annotated[
        dict[Keyword, PlainValue], Expected("keyword arguments, as in {gravity: 9.8}")
    ] = Field(default_factory=dict, description="keyword arguments of the environment")
    max_episode_steps: CountOrNone = Field(
        default=None, description="env steps after which an episode is cut off, null for its own"
    )
    action_mask: Annotated[
        MaskName | None, Expected("the name of a part of the observation or a key of info, or null")
    ] = Field(default=None, description="the mask of legal actions, null if all are legal")
    backend: Annotated[Backend, one_of(get_args(Backend))] = Field(
        default="auto", description="what the policies are rolled out and trained in"
    )
    num_copies: CountOrNone = Field(
        default=None, description="the most copies of the environment at a time, null for no limit"
    )


class PolicyParams(Section):
    """The policy network."""

    hidden_sizes: Sizes = Field(description="units of each hidden layer")
    activation: Annotated[Activation, one_of(get_args(Activation))] = Field(
        description="of the hidden layers"
    )
    normalize_observations: Flag = Field(
        default=False, description="whether observations get a running mean 0 and deviation 1"
    )
    standard_deviation: Annotated[StandardDeviation, one_of(get_args(StandardDeviation))] = Field(
        default="state_independent", description="of a Normal policy"
    )
    bounded_actions: Annotated[BoundedActions, one_of(get_args(BoundedActions))] = Field(
        default="clip", description="how a Normal policy keeps to the bounds of its actions"
    )


class RolloutParams(Section):
    """The episodes sampled from the initial policies."""

    num_episodes: Count = Field(description="episodes sampled from each run's initial policy")


class ValueParams(Section):
    """The network that predicts returns for the baseline `value`."""

    hidden_sizes: Sizes = Field(default=(64, 64), description="units of each hidden layer")
    activation: Annotated[Activation, one_of(get_args(Activation))] = Field(
        default="tanh", description="of the hidden layers"
    )
    optimizer: Annotated[Optimizer, one_of(get_args(Optimizer))] = Field(
        default="adam", description="which takes the steps"
    )
    learning_rate: Positive = Field(default=0.003, description="the optimizer's step size")
    steps_per_update: Count = Field(
        default=10, description="optimizer steps on each update's returns"
    )
    normalize_targets: Flag = Field(
        default=True, description="whether it predicts returns in units of their running deviation"
    )


class TrainParams(Section):
    """REINFORCE."""

    num_episodes: Count = Field(description="episodes that each run learns from")
    episodes_per_update: Count = Field(description="episodes sampled for each optimizer step")
    gamma: Fraction = Field(description="the discount of a reward per step")
    optimizer: Annotated[Optimizer, one_of(get_args(Optimizer))] = Field(
        description="which takes the steps"
    )
    learning_rate: Positive = Field(description="the optimizer's step size")
    learning_rate_schedule: Annotated[Schedule, one_of(get_args(Schedule))] = Field(
        default="constant", description="how the learning rate falls over the updates"
    )
    final_learning_rate: NotNegative = Field(
        default=0.0, description="what the schedule brings the learning rate to"
    )
    reward_scale: Positive = Field(default=1.0, description="the factor of every reward")
    baseline: Annotated[Baseline, one_of(get_args(Baseline))] = Field(
        description="what is subtracted from each return"
    )
    value: ValueParams = Field(
        default=ValueParams(), description="the network of the baseline value"
    )
    normalize_advantages: Flag = Field(
        description="whether an update's advantages get mean 0 and standard deviation 1"
    )
    entropy_coefficient: NotNegative = Field(description="the weight of the policy's entropy")
    max_gradient_norm: PositiveOrNone = Field(
        description="the norm above which a gradient is scaled down, null for none"
    )
    keep: Annotated[Keep, one_of(get_args(Keep))] = Field(
        default="final", description="which policy of a run counts"
    )


class VarianceParams(Section):
    """The batches of episodes that show how noisy the gradient is."""

    num_runs: CountOrZero = Field(description="runs whose policies are looked at, the first ones")
    num_batches: Batches = Field(description="batches of each of these policies")


class EvaluateParams(Section):
    """The episodes that judge the exported policies."""

    num_episodes: Count = Field(description="episodes for each run's policy and way of acting")


class TaskParams(Section):
    """One task: an environment, and how its policies are trained and judged."""

    num_runs: Count = Field(description="independent runs, each with its own initial weights")
    env: EnvParams = Field(description="what the policies act in")
    policy: PolicyParams = Field(description="the policy network")
    rollout: RolloutParams = Field(description="episodes of the initial policies")
    train: TrainParams = Field(description="how the policies learn")
    variance: VarianceParams = Field(description="how the gradient's noise is measured")
    evaluate: EvaluateParams = Field(description="how the policies are judged")


class Params(Section):
    """The whole of params.yaml."""

    seed: Seed = Field(description="the root of all random streams")
    num_workers: CountOrNone = Field(
        default=None, description="runs that are performed side by side, null for one on each core"
    )
    checkpoint_seconds: NotNegative = Field(
        default=30.0, description="how many seconds there are between a run's checkpoints, at least"
    )
    tasks: Annotated[
        dict[TaskName, TaskParams],
        Field(min_length=1),
        Expected("at least one section, under the name of its task"),
    ] = Field(description="what to learn")
