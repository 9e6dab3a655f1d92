"""Values of parameters on the command line, and the tasks that they make."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, expected
from pipeline.task.overrides import locate_parameter
from pipeline.task.task import Task, load_task
from pipeline.task.yaml_file import parse_yaml

RUNS = "runs"  # not a parameter: the number of runs of each value


class Candidate(NamedTuple):
    """A task with one value of each parameter that is tried."""

    label: str  # its values of the parameters that have several
    values: dict[str, str]  # name, as on the command line → value, as YAML
    overrides: dict[Location, Any]  # location in params.yaml → value
    task: Task


def parse_values(text: str) -> tuple[str, list[Any]]:
    """Parse `NAME=VALUE,VALUE…`. The values are YAML, so [64,64] is one value.

    Raises:
        UserError: If the text has another form, or a value is a mapping or is repeated.
    """
    name, equals, values_text = text.partition("=")
    if not (name and equals):
        raise UserError(expected("NAME=VALUE or NAME=VALUE,VALUE…", text))
    values = parse_yaml(f"[{values_text}]", text)
    if not isinstance(values, list) or not values:
        raise UserError(expected("NAME=VALUE or NAME=VALUE,VALUE…", text))
    for index, value in enumerate(values):
        if isinstance(value, dict):
            raise UserError(f"{name}: {expected('NAME.KEY=VALUE for one key', value)}")
        if value in values[:index]:
            raise UserError(f"{name}: {expected('different values', values)}")
    return name, values


def make_candidates(path: Path, task: str, arguments: Sequence[str]) -> list[Candidate]:
    """Check all combinations of values as if they were in params.yaml.

    Args:
        path: The path of params.yaml.
        task: The name of the task.
        arguments: See `parse_values`. `runs` is the number of runs of each combination.

    Returns:
        The combinations; the last name's values vary fastest.

    Raises:
        UserError: If there is any mistake in the values or in params.yaml. The message has one line
            per mistake.
    """
    parsed = [parse_values(argument) for argument in arguments]
    runs = [value for name, values in parsed if name == RUNS for value in values]
    if len(runs) > 1:
        raise UserError(f"{RUNS}: {expected('one number', runs)}")
    common: dict[Location, Any] = {("tasks", task, "num_runs"): runs[0]} if runs else {}
    named = {locate_parameter(task, name): (name, v) for name, v in parsed if name != RUNS}
    if not named or len(named) + len(runs) < len(parsed):
        raise UserError(expected("one or more different NAME=VALUE,VALUE…", " ".join(arguments)))
    candidates: list[Candidate] = []
    mistakes: dict[str, None] = {}
    for values in itertools.product(*(values for _, values in named.values())):
        overrides = dict(zip(named, values, strict=True))
        texts = {name: as_yaml(overrides[location]) for location, (name, _) in named.items()}
        varied = [f"{name}={texts[name]}" for name, several in named.values() if len(several) > 1]
        label = ", ".join(varied or [f"{name}={text}" for name, text in texts.items()])
        try:
            checked = load_task(path, task, common | overrides)
        except UserError as error:
            mistakes |= dict.fromkeys(str(error).splitlines())
        else:
            candidates.append(Candidate(label, texts, overrides, checked))
    if mistakes:
        raise UserError("\n".join(mistakes))
    return candidates


def as_yaml(value: Any) -> str:
    """Format a value as YAML on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
