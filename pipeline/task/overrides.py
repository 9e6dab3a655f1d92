"""Values that replace those of params.yaml for a single command."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, expected, value_at
from pipeline.task.schema import TaskParams, TrainParams

Overrides = Mapping[Location, Any]  # location in params.yaml → value

TRAINED_WITH = ("env", "policy", "rollout", "train")  # a task's sections that training depends on


def locate_parameter(task: str, name: str) -> Location:
    """Return the location in params.yaml of a parameter that training depends on.

    Args:
        task: The task.
        name: A path from its section `train`, such as value.learning_rate, or from the task, such
            as policy.hidden_sizes, or from the root, as for `dvc exp run -S`.

    Raises:
        UserError: If there is no such parameter, or if the name stands for a section.
    """
    parts = tuple(name.removeprefix(f"tasks.{task}.").split("."))
    if parts[0] in TrainParams.model_fields:
        parts = ("train", *parts)
    annotation: Any = TaskParams
    choices: list[str] = [*TRAINED_WITH, *TrainParams.model_fields]
    for part in parts:
        if not _is_section(annotation):
            break  # a key in a mapping such as env.kwargs
        if part not in choices:
            known = f"one of {', '.join(choices)}"
            raise UserError(f"{name}: {expected(known, part, choices)}")
        annotation = annotation.model_fields[part].annotation
        choices = list(annotation.model_fields) if _is_section(annotation) else []
    if choices:
        text = f"a parameter of the section, such as {name}.{choices[0]}"
        raise UserError(f"{name}: {expected(text, name)}")
    return ("tasks", task, *parts)


def override(data: Any, overrides: Overrides) -> None:
    """Replace values in the data of a file. Sections that it leaves out are added to its tasks."""
    for location, value in overrides.items():
        with suppress(LookupError, TypeError):  # no such task: a mistake that is reported later
            section = value_at(data, location[:2])
            for part in location[2:-1]:
                if not isinstance(section.get(part), dict):
                    section[part] = {}
                section = section[part]
            section[location[-1]] = value


def is_overridden(location: Location, overrides: Overrides) -> bool:
    """Return whether the value at a location contains an override, or is a part of one."""
    return any(all(a == b for a, b in zip(location, other, strict=False)) for other in overrides)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
