"""params.yaml read and checked: all its mistakes at once, those between fields included."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, Mistake, expected, mistakes_in, value_at
from pipeline.task.schema import (
    BASELINES_OVER_OTHER_EPISODES,
    EnvParams,
    Params,
    PolicyParams,
    TrainParams,
)
from pipeline.task.yaml_file import read_yaml


class Validated(NamedTuple):
    """The valid parts of a file, and its mistakes."""

    params: Params | None  # None if there is any mistake
    environments: dict[str, EnvParams]  # of the tasks whose section env is well-formed
    policies: dict[str, PolicyParams]  # of the tasks whose section policy is well-formed
    trainings: dict[str, TrainParams]  # of the tasks whose section train is well-formed
    mistakes: list[Mistake]  # all of them, none if params is there


def load_params(path: Path) -> Params:
    """Read and check params.yaml, but for what only Gymnasium knows (see `check_params`).

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
    least = 1e-30 * max(1, initial or 1)  # of which float32 can still hold the ratio
    if schedule == "exponential" and final < least:
        text = f"a number from {least:g} on, since an exponential schedule never reaches 0"
        yield Mistake(location, expected(text, final))
    elif schedule != "constant" and initial is not None and final > initial:
        yield Mistake(location, expected(f"at most learning_rate ({initial})", final))
