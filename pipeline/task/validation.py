"""Reading and checking params.yaml, including the rules between fields."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, Mistake, expected, mistakes_in, value_at
from pipeline.task.overrides import Overrides, locate_parameter, override
from pipeline.task.schema import (
    BASELINES_OVER_OTHER_EPISODES,
    EnvParams,
    Params,
    PolicyParams,
    TrainParams,
)
from pipeline.task.yaml_file import read_yaml


class Validated(NamedTuple):
    """The valid parts of a file, by task, and its mistakes."""

    params: Params | None  # None if there is any mistake
    environments: dict[str, EnvParams]  # valid `env` sections
    policies: dict[str, PolicyParams]  # valid `policy` sections
    trainings: dict[str, TrainParams]  # valid `train` sections
    mistakes: list[Mistake]  # empty if and only if `params` is not None


def load_params(path: Path) -> Params:
    """Read and check params.yaml without making any environment (see `check_params`).

    Raises:
        UserError: If there is any mistake. The message has one line per mistake.
    """
    params, *_, mistakes = validate(path)
    if params is None:
        raise UserError("\n".join(mistake.line(path) for mistake in mistakes))
    return params


def validate(path: Path, overrides: Overrides = MappingProxyType({})) -> Validated:
    """Read params.yaml and find all its mistakes.

    Args:
        path: The path of params.yaml.
        overrides: Values that replace those in the file. Defaults to none.

    Raises:
        UserError: If the file cannot be read or is not YAML.
    """
    data = read_yaml(path)
    override(data, overrides)
    return validate_data(data)


def validate_data(data: Any) -> Validated:
    """Find all mistakes in the data of a params.yaml."""
    params, mistakes = None, []
    invalid: set[Location] = set()
    try:
        params = Params.model_validate(data)
    except ValidationError as error:
        mistakes = mistakes_in(error, data, Params)
        invalid = {details["loc"] for details in error.errors()}
    sections = _Sections(data, invalid)
    mistakes += [mistake for name in sections.names() for mistake in _rules(sections, name)]
    mistakes += _other_sections_rules(sections)
    return Validated(
        None if mistakes else params,
        {name: EnvParams(**section) for name, section in sections.named("env")},
        {name: PolicyParams(**section) for name, section in sections.named("policy")},
        {name: TrainParams(**section) for name, section in sections.named("train")},
        mistakes,
    )


class _Sections(NamedTuple):
    """The data of a file that may be partly invalid."""

    data: Any
    invalid: set[Location]  # locations of the mistakes

    def names(self, section: str = "tasks") -> list[str]:
        """List the names of all tasks, valid or not, or those in another section."""
        values = self.data.get(section) if isinstance(self.data, dict) else None
        return list(values) if isinstance(values, dict) else []

    def named(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each task's section of this name, if it is valid."""
        for task in self.names():
            if (values := self.valid("tasks", task, section)) is not None:
                yield task, values

    def valid(self, *location: str) -> Any:
        """Return the value at a location if it and everything in or around it is valid, else None.

        The result is also None if an optional value is omitted. A valid number or text is the same
        in the file and in Params.
        """
        for other in self.invalid:
            if all(a == b for a, b in zip(location, other, strict=False)):
                return None
        section = value_at(self.data, location[:-1])
        return section.get(location[-1]) if isinstance(section, dict) else None


def _rules(sections: _Sections, task: str) -> Iterator[Mistake]:
    """Yield the mistakes between fields of a task.

    These rules are not pydantic validators, which run only if every field is valid. This way the
    user sees all mistakes at once.
    """
    train = ("tasks", task, "train")
    baseline = sections.valid(*train, "baseline")
    num_episodes = sections.valid(*train, "num_episodes")
    num_env_steps = sections.valid(*train, "num_env_steps")
    per_update = sections.valid(*train, "episodes_per_update")
    num_rollouts = sections.valid("tasks", task, "rollout", "num_episodes")
    yield from _schedule_rules(sections, train)
    if num_episodes is not None and num_env_steps is not None:
        text = "null or no entry, since num_episodes is set"
        yield Mistake((*train, "num_env_steps"), expected(text, num_env_steps))
    section = sections.valid(*train)
    if section is not None and num_episodes is num_env_steps is None:
        text = "a number of episodes, or num_env_steps instead"
        is_there = "num_episodes" in section
        text = expected(text, None) if is_there else f"missing; expected {text}"
        yield Mistake((*train, "num_episodes"), text)
    if sections.valid(*train, "bootstrap_truncated") and baseline not in (None, "value"):
        text = "false, since only the baseline value predicts what a time limit cuts off"
        yield Mistake((*train, "bootstrap_truncated"), expected(text, True))
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
            f"at least train.episodes_per_update ({per_update}), since the first update uses these "
            "episodes"
        )
        yield Mistake(("tasks", task, "rollout", "num_episodes"), expected(text, num_rollouts))


def _other_sections_rules(sections: _Sections) -> Iterator[Mistake]:
    """Yield the names in `variance` and `tune` that belong to no task, or to no parameter."""
    tasks = sections.names()
    for section in ("variance", "tune"):
        for name in sections.names(section):
            if tasks and name not in tasks:
                text = expected(f"the name of a task, one of {', '.join(tasks)}", name, tasks)
                yield Mistake((section,), text)
    for task in sections.names("tune"):
        ranges = sections.data["tune"][task]
        for name in ranges if isinstance(ranges, dict) else ():
            try:
                section = str(locate_parameter(task, name)[2])
            except UserError as error:
                yield Mistake(("tune", task), str(error))
                continue
            if section == "env":
                text = "no parameter of env, since returns in different environments do not compare"
                yield Mistake(("tune", task), expected(text, name))


def _schedule_rules(sections: _Sections, train: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield the mistakes of a learning-rate schedule."""
    schedule = sections.valid(*train, "learning_rate_schedule") or "constant"
    initial = sections.valid(*train, "learning_rate")
    final = sections.valid(*train, "final_learning_rate") or 0
    location = (*train, "final_learning_rate")
    if schedule == "constant" and final:
        text = "0 or no entry, since learning_rate_schedule is constant"
        yield Mistake(location, expected(text, final))
    least = 1e-30 * max(1, initial or 1)  # keeps final / initial representable in float32
    if schedule == "exponential" and final < least:
        text = f"a number of at least {least:g}, since an exponential schedule never reaches 0"
        yield Mistake(location, expected(text, final))
    elif schedule != "constant" and initial is not None and final > initial:
        yield Mistake(location, expected(f"at most learning_rate ({initial})", final))
