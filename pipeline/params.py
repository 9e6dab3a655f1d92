"""params.yaml as frozen, checked values: seed, and one section for each task."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.errors import UserError
from pipeline.mistakes import Expected, Location, Mistake, expected, mistakes_in, one_of, value_at
from pipeline.yaml_file import read_yaml

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
Count = Annotated[int, Field(ge=1), Expected("an integer of at least 1")]
# Of fewer, the bootstrap's resamples would too often be one batch over and over.
Batches = Annotated[int, Field(ge=10), Expected("an integer of at least 10")]
CountOrNone = Annotated[
    Annotated[int, Field(ge=1)] | None, Expected("an integer of at least 1, or null")
]
Fraction = Annotated[float, Field(ge=0, le=1), Expected("a number from 0 to 1")]
NotNegative = Annotated[float, Field(ge=0), Expected("a number of at least 0")]
Positive = Annotated[float, Field(gt=0), Expected("a number above 0")]
PositiveOrNone = Annotated[
    Annotated[float, Field(gt=0)] | None, Expected("a number above 0, or null")
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
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*\z"),
    Expected("a task name: a letter, then letters, digits, _ and -"),
]


class Section(BaseModel):
    """A part of params.yaml: no unknown field, no conversion but that of integers to floats."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class EnvParams(Section):
    """What the task's policies act in."""

    id: EnvId = Field(description="an installed environment; module:Id imports module first")
    kwargs: Annotated[
        dict[Keyword, PlainValue], Expected("keyword arguments, as in {gravity: 9.8}")
    ] = Field(default_factory=dict, description="keyword arguments of the environment")
    max_episode_steps: CountOrNone = Field(
        default=None, description="env steps after which an episode is cut off, null for its own"
    )
    backend: Annotated[Backend, one_of(get_args(Backend))] = Field(
        default="auto", description="what the policies are rolled out and trained in"
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

    num_runs: Count = Field(description="runs whose policies are looked at, the first ones")
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


class Validated(NamedTuple):
    """What could be made of a file, mistakes or not."""

    params: Params | None  # None if there is any mistake
    environments: dict[str, EnvParams]  # of the tasks whose section env is well-formed
    policies: dict[str, PolicyParams]  # of the tasks whose section policy is well-formed
    trainings: dict[str, TrainParams]  # of the tasks whose section train is well-formed
    mistakes: list[Mistake]  # all of them, none if params is there


def load_params(path: Path) -> Params:
    """Reads and checks params.yaml, but for what only Gymnasium knows (see `pipeline.check`).

    Raises:
        UserError: If there is any mistake; the message has a line for each.
    """
    params, *_, mistakes = validate(path)
    if params is None:
        raise UserError("\n".join(mistake.line(path) for mistake in mistakes))
    return params


def validate(path: Path) -> Validated:
    """Reads params.yaml and finds all its mistakes.

    Raises:
        UserError: If the file cannot be read or is not YAML.
    """
    data = read_yaml(path)
    params, mistakes = None, []
    invalid: set[Location] = set()
    try:
        params = Params.model_validate(data)
    except ValidationError as error:
        mistakes = mistakes_in(error, data, Params)
        invalid = {details["loc"] for details in error.errors()}
    sections = _Sections(data, invalid)
    mistakes += [mistake for name in sections.tasks() for mistake in _rules(sections, name)]
    return Validated(
        None if mistakes else params,
        {name: EnvParams(**section) for name, section in sections.named("env")},
        {name: PolicyParams(**section) for name, section in sections.named("policy")},
        {name: TrainParams(**section) for name, section in sections.named("train")},
        mistakes,
    )


class _Sections(NamedTuple):
    """A file's data, of which some is not valid."""

    data: Any
    invalid: set[Location]  # where the mistakes are

    def tasks(self) -> list[str]:
        """Names of the tasks, well-formed or not."""
        tasks = self.data.get("tasks") if isinstance(self.data, dict) else None
        return list(tasks) if isinstance(tasks, dict) else []

    def named(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each task's section of this name, where it is valid."""
        for task in self.tasks():
            if (values := self.valid("tasks", task, section)) is not None:
                yield task, values

    def valid(self, *location: str) -> Any:
        """The value there if neither it nor anything in or around it is a mistake, else None.

        None, too, where an optional value is left out. Valid numbers and text are in the file just
        as they are in Params.
        """
        for other in self.invalid:
            if all(a == b for a, b in zip(location, other, strict=False)):
                return None
        section = value_at(self.data, location[:-1])
        return section.get(location[-1]) if isinstance(section, dict) else None


def _rules(sections: _Sections, task: str) -> Iterator[Mistake]:
    """Yields the mistakes between fields of a task.

    No validators of the sections: pydantic runs these only where no field at all is wrong, and the
    user is to see all mistakes at once.
    """
    train = ("tasks", task, "train")
    baseline = sections.valid(*train, "baseline")
    num_episodes = sections.valid(*train, "num_episodes")
    per_update = sections.valid(*train, "episodes_per_update")
    num_rollouts = sections.valid("tasks", task, "rollout", "num_episodes")
    yield from _schedule_rules(sections, train)
    if per_update is None:
        return
    if per_update == 1 and baseline in BASELINES_OVER_OTHER_EPISODES:
        text = (
            f"at least 2, since the baseline {baseline} is a mean over an update's other episodes"
        )
        yield Mistake((*train, "episodes_per_update"), expected(text, per_update))
    if num_episodes is not None and num_episodes % per_update:
        below = num_episodes - num_episodes % per_update
        nearest = f"{below} or {below + per_update}" if below else f"{per_update}"
        text = f"a multiple of episodes_per_update ({per_update}), such as {nearest}"
        yield Mistake((*train, "num_episodes"), expected(text, num_episodes))
    if num_rollouts is not None and num_rollouts < per_update:
        text = (
            f"at least train.episodes_per_update ({per_update}), since the first update uses them"
        )
        yield Mistake(("tasks", task, "rollout", "num_episodes"), expected(text, num_rollouts))


def _schedule_rules(sections: _Sections, train: tuple[str, ...]) -> Iterator[Mistake]:
    """Yields the mistakes of a learning-rate schedule."""
    schedule = sections.valid(*train, "learning_rate_schedule") or "constant"
    initial = sections.valid(*train, "learning_rate")
    final = sections.valid(*train, "final_learning_rate") or 0
    location = (*train, "final_learning_rate")
    if schedule == "constant" and final:
        text = "0 or nothing, since nothing brings a constant learning_rate to it"
        yield Mistake(location, expected(text, final))
    if schedule == "exponential" and not final:
        text = "a number above 0, since an exponential schedule never reaches 0"
        yield Mistake(location, expected(text, final))
    elif schedule != "constant" and initial is not None and final > initial:
        yield Mistake(location, expected(f"at most learning_rate ({initial})", final))
