"""A task's parameters as text: those that params.yaml sets, and those that it leaves out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.page.elements import Html, element, joined
from pipeline.parameters.schema import TaskParams


def parameters(task: TaskParams) -> Html:
    """What params.yaml sets, and folded away what holds where it says nothing."""
    given = task.model_dump(exclude_unset=True)
    shown = [_listing(given)]
    if defaults := _without(task.model_dump(), given):
        summary = element("summary", "Left at their defaults")
        shown.append(element("details", summary, _listing(defaults)))
    return joined(shown)


def _without(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, those of sections too, that are not given."""
    others = {}
    for name, value in values.items():
        if name not in given:
            others[name] = value
        elif _is_section(name, value) and (inner := _without(value, given[name])):
            others[name] = inner
    return others


def _is_section(name: str, value: Any) -> bool:
    return isinstance(value, dict) and name != "kwargs"  # which is one value


def _listing(values: Mapping[str, Any]) -> Html:
    return element("pre", element("code", "\n".join(_lines(values, ""))))


def _lines(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    """As params.yaml is written."""
    for name, value in values.items():
        if _is_section(name, value):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{indent}{name}: {text}"
