"""A task's parameters as text: those that params.yaml sets, and the defaults."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.task.schema import TaskParams


def parameter_listings(task: TaskParams) -> tuple[str, str]:
    """List the parameters that params.yaml sets, and the defaults of the others."""
    given = task.model_dump(exclude_unset=True)
    defaults = _without(task.model_dump(), given)
    return "\n".join(_lines(given)), "\n".join(_lines(defaults))


def _without(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not given, including those of sections."""
    others = {}
    for name, value in values.items():
        if name not in given:
            others[name] = value
        elif _is_section(name, value) and (inner := _without(value, given[name])):
            others[name] = inner
    return others


def _is_section(name: str, value: Any) -> bool:
    return isinstance(value, dict) and name != "kwargs"  # `kwargs` is a single value


def _lines(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines as in params.yaml."""
    for name, value in values.items():
        if _is_section(name, value):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{indent}{name}: {text}"
