"""The schema of params.yaml: general settings, and one section for each task."""

import math
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.task.mistakes import Expected, one_of
from reinforce.records import UpdateRecord

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
            return not math.isnan(
                value
            )  # NaN never equals itself, so DVC would always rerun stages
        case str():
            return "${" not in value  # DVC would substitute a parameter
        case list():
            return all(map(_is_plain, value))
        case dict():
            return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
        case _:
            return False  # a date, which DVC does not support


def _plain(value: Any) -> Any:
    if not _is_plain(value):
        raise ValueError
    return value


def _search_range(value: Any) -> Any:
    match value:
        case [_, _, *_] if _is_plain(value):
            return value
        case {"low": int() | float() as low, "high": int() | float() as high, **others} if (
            {bool}.isdisjoint(map(type, (low, high)))
            and -math.inf < low < high < math.inf
            and others in ({}, {"log": False}, {"log": True})
            and (low > 0 or not others.get("log"))
        ):
            return value
        case _:
            raise ValueError


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Seed = Annotated[int, Field(ge=0, lt=2**32), Expected("an integer from 0 to 4294967295")]
# Elements are numbered with 32-bit integers.
Count = Annotated[int, Field(ge=1, lt=2**31), Expected("an integer from 1 to 2147483647")]
# With fewer, too many bootstrap resamples would repeat a single batch.
Batches = Annotated[int, Field(ge=10, lt=2**31), Expected("an integer from 10 to 2147483647")]
CountOrNone = Annotated[
    Annotated[int, Field(ge=1, lt=2**31)] | None,
    Expected("an integer from 1 to 2147483647, or null"),
]
Fraction = Annotated[float, Field(ge=0, le=1), Expected("a number from 0 to 1")]
# Training uses float32, where larger numbers are ∞ and smaller ones may be 0.
NotNegative = Annotated[float, Field(ge=0, le=1e30), Expected("a number from 0 to 1e30")]
Positive = Annotated[float, Field(ge=1e-30, le=1e30), Expected("a number from 1e-30 to 1e30")]
PositiveOrNone = Annotated[
    Annotated[float, Field(ge=1e-30, le=1e30)] | None,
    Expected("a number from 1e-30 to 1e30, or null"),
]
Flag = Annotated[bool, Expected("true or false")]
Sizes = Annotated[
    tuple[Count, ...],
    BeforeValidator(_tuple),
    Expected("a list of integers, such as [64, 64] or []"),
]
EnvId = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_plain),
    Expected("the id of a Gymnasium environment, such as CartPole-v1"),
]
MaskName = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
Keyword = Annotated[
    str, Field(pattern=r"^[^\W\d]\w*\z"), Expected("the name of a keyword argument")
]
PlainValue = Annotated[
    Any,
    AfterValidator(_plain),
    Expected("text without ${, a number, true, false, null, or a list or mapping of these"),
]
SearchRange = Annotated[
    Any,
    AfterValidator(_search_range),
    Expected(
        "a range, such as {low: 0.9, high: 0.999} or {low: 0.001, high: 0.1, log: true}, or a list "
        "of two or more values"
    ),
]
# A task's name is part of the names of its folder and its DVC stages.
TaskName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}\z"),
    Expected("a task name (a letter, then up to 99 letters, digits, _ and -)"),
]


class Section(BaseModel):
    """A section of params.yaml, without unknown fields; only integers are converted, to floats."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class EnvParams(Section):
    """The environment of a task."""

    id: EnvId = Field(description="an installed environment; module:Id imports module first")
    kwargs: Annotated[
        dict[Keyword, PlainValue], Expected("keyword arguments, such as {gravity: 9.8}")
    ] = Field(default_factory=dict, description="keyword arguments of the environment")
    max_episode_steps: CountOrNone = Field(
        default=None,
        description="env steps before an episode is truncated, null for the environment's limit",
    )
    action_mask: Annotated[
        MaskName | None, Expected("the name of a part of the observation or a key of info, or null")
    ] = Field(default=None, description="the mask of legal actions, null if all are legal")
    backend: Annotated[Backend, one_of(get_args(Backend))] = Field(
        default="auto", description="the implementation used for rollouts and training"
    )
    num_copies: CountOrNone = Field(
        default=None, description="maximum number of environment copies, null for no limit"
    )


class PolicyParams(Section):
    """The policy network."""

    hidden_sizes: Sizes = Field(description="units of each hidden layer")
    activation: Annotated[Activation, one_of(get_args(Activation))] = Field(
        description="the activation function of the hidden layers"
    )
    normalize_observations: Flag = Field(
        default=False,
        description="normalize observations by their running mean and standard deviation",
    )
    standard_deviation: Annotated[StandardDeviation, one_of(get_args(StandardDeviation))] = Field(
        default="state_independent", description="the standard deviation of a Normal policy"
    )
    initial_standard_deviation: Positive = Field(
        default=1.0, description="the standard deviation of a Normal policy before training"
    )
    bounded_actions: Annotated[BoundedActions, one_of(get_args(BoundedActions))] = Field(
        default="clip", description="how a Normal policy respects the bounds of its actions"
    )


class RolloutParams(Section):
    """The episodes sampled with the initial policies."""

    num_episodes: Count = Field(description="episodes sampled with each run's initial policy")


class ValueParams(Section):
    """The network that predicts returns for the baseline `value`."""

    hidden_sizes: Sizes = Field(default=(64, 64), description="units of each hidden layer")
    activation: Annotated[Activation, one_of(get_args(Activation))] = Field(
        default="tanh", description="the activation function of the hidden layers"
    )
    optimizer: Annotated[Optimizer, one_of(get_args(Optimizer))] = Field(
        default="adam", description="the optimizer of the value network"
    )
    learning_rate: Positive = Field(default=0.003, description="the optimizer's step size")
    steps_per_update: Count = Field(
        default=10, description="optimizer steps per update, on the update's returns"
    )
    normalize_targets: Flag = Field(
        default=True,
        description="normalize the returns by their running mean and standard deviation",
    )


class Budget(NamedTuple):
    """The length of a run, which ends with the update that reaches the total."""

    unit: Literal["num_episodes", "num_env_steps"]
    total: int

    @property
    def noun(self) -> str:
        """The unit in words."""
        return self.unit.removeprefix("num_").replace("_", " ")

    def spent(self, record: UpdateRecord) -> int:
        """Return how much of the total a run has used after an update."""
        used: int = getattr(record, self.unit)
        return min(used, self.total)


class TrainParams(Section):
    """Training with REINFORCE."""

    num_episodes: CountOrNone = Field(
        default=None, description="training episodes of each run, null if num_env_steps is set"
    )
    num_env_steps: CountOrNone = Field(
        default=None, description="env steps of each run, null if num_episodes is set"
    )
    episodes_per_update: Count = Field(description="episodes sampled for each optimizer step")
    gamma: Fraction = Field(description="the discount factor per step")
    optimizer: Annotated[Optimizer, one_of(get_args(Optimizer))] = Field(
        description="the optimizer of the policy"
    )
    learning_rate: Positive = Field(description="the optimizer's step size")
    learning_rate_schedule: Annotated[Schedule, one_of(get_args(Schedule))] = Field(
        default="constant", description="how the learning rate decreases over the updates"
    )
    final_learning_rate: NotNegative = Field(
        default=0.0, description="the learning rate at the end of the schedule"
    )
    reward_scale: Positive = Field(default=1.0, description="a factor applied to every reward")
    bootstrap_truncated: Flag = Field(
        default=False,
        description="let the baseline value stand for the rewards after a truncated episode",
    )
    baseline: Annotated[Baseline, one_of(get_args(Baseline))] = Field(
        description="the baseline subtracted from the returns"
    )
    value: ValueParams = Field(
        default=ValueParams(), description="the network of the baseline value"
    )
    normalize_advantages: Flag = Field(
        description="normalize each update's advantages to mean 0 and standard deviation 1"
    )
    entropy_coefficient: NotNegative = Field(description="the weight of the policy's entropy")
    max_gradient_norm: PositiveOrNone = Field(
        description="the norm to which larger gradients are scaled down, null for no limit"
    )
    keep: Annotated[Keep, one_of(get_args(Keep))] = Field(
        default="final", description="the policy of each run to keep"
    )

    @property
    def budget(self) -> Budget:
        """The length of each run."""
        if self.num_env_steps is not None:
            return Budget("num_env_steps", self.num_env_steps)
        assert self.num_episodes is not None
        return Budget("num_episodes", self.num_episodes)

    @property
    def num_updates(self) -> int | None:
        """Updates of each run; None if they depend on the lengths of the episodes."""
        return None if self.num_episodes is None else self.num_episodes // self.episodes_per_update


class VarianceParams(Section):
    """The batches of episodes that measure the gradient noise."""

    num_runs: Count = Field(description="the number of runs to measure, the first ones")
    num_batches: Batches = Field(description="batches sampled with each policy")


class EvaluateParams(Section):
    """The episodes that evaluate the exported policies."""

    num_episodes: Count = Field(
        description="episodes per run with greedy actions, and with sampled ones"
    )


class TaskParams(Section):
    """One task: an environment, and how to train and evaluate policies for it."""

    num_runs: Count = Field(description="independent runs, each with its own initial weights")
    env: EnvParams = Field(description="the environment")
    policy: PolicyParams = Field(description="the policy network")
    rollout: RolloutParams = Field(description="the episodes of the initial policies")
    train: TrainParams = Field(description="the training of the policies")
    evaluate: EvaluateParams = Field(description="the evaluation of the policies")


class Params(Section):
    """All of params.yaml."""

    seed: Seed = Field(description="the root of all random streams")
    num_workers: CountOrNone = Field(
        default=None, description="runs performed in parallel, null for one per core"
    )
    checkpoint_seconds: NotNegative = Field(
        default=30.0, description="minimum number of seconds between checkpoints of a run"
    )
    tasks: Annotated[
        dict[TaskName, TaskParams],
        Field(min_length=1),
        Expected("at least one task, each a section under its name"),
    ] = Field(description="the tasks to train")
    variance: Annotated[
        dict[str, VarianceParams], Expected("a section under the name of each task, or {}")
    ] = Field(default_factory=dict, description="the tasks whose gradient noise is measured")
    tune: Annotated[
        dict[
            str,
            Annotated[
                dict[str, SearchRange],
                Field(min_length=1),
                Expected("one or more parameters, each with a range"),
            ],
        ],
        Expected("a section under the name of each task, or {}"),
    ] = Field(
        default_factory=dict, description="the ranges that `python -m pipeline tune` searches"
    )
