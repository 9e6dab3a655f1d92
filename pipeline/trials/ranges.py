"""Ranges of parameters to search: those in params.yaml's section `tune`, or defaults."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

from pipeline.runs.dependencies import code_dependencies
from pipeline.task.errors import UserError
from pipeline.task.mistakes import Location, value_at
from pipeline.task.overrides import locate_parameter
from pipeline.task.schema import TaskParams
from pipeline.task.task import Task, override_task
from pipeline.trials.values import as_yaml

Ranges = dict[str, Any]  # name of a parameter → its range, as in params.yaml
MAX_CHECKED = 1000  # combinations of the ranges' ends


def default_ranges(params: TaskParams) -> Ranges:
    """Return the ranges for a task without a section in `tune`.

    All their values share one compiled program. A learning rate below the final one of the schedule
    would be a mistake.
    """
    lowest = max(0.0003, params.train.final_learning_rate)
    ranges: Ranges = {
        "learning_rate": {"low": lowest, "high": max(0.1, 10 * lowest), "log": True},
        "gamma": {"low": 0.9, "high": 0.999},
        "max_gradient_norm": {"low": 0.5, "high": 50.0, "log": True},
    }
    if params.train.baseline == "value":
        ranges["value.learning_rate"] = {"low": 0.0003, "high": 0.03, "log": True}
    return ranges


def overrides(task: str, values: Mapping[str, Any]) -> dict[Location, Any]:
    """Return the locations in params.yaml of a task's parameters, with their values."""
    return {locate_parameter(task, name): value for name, value in values.items()}


def check_ranges(task: Task, ranges: Ranges) -> None:
    """Check that the ends of the ranges, in every combination, are parameters of a task.

    Raises:
        UserError: If they are not. The message begins with a combination that is mistaken.
    """
    every = itertools.product(*(_ends(searched) for searched in ranges.values()))
    for ends in itertools.islice(every, MAX_CHECKED):
        override_values(task, dict(zip(ranges, ends, strict=True)))


def override_values(task: Task, values: Mapping[str, Any]) -> Task:
    """Replace parameters of a task by values from their ranges; raise UserError if mistaken."""
    try:
        return override_task(task, overrides(task.name, values))
    except UserError as error:
        raise UserError(f"tune.{task.name}: {format_values(values)}: {error}") from error


def search_name(task: Task, ranges: Ranges, num_runs: int) -> str:
    """Return a name that stands for everything that the results of a search depend on.

    Call this before TensorFlow is started, which sets environment variables.
    """
    facts = {
        "seed": task.seed,
        "params": task.params.model_dump(
            mode="json", include={"env", "policy", "rollout", "train"}
        ),
        "ranges": ranges,
        "num_runs": num_runs,
        "code": code_dependencies(task, "tune"),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def rounded(value: float, searched: Mapping[str, Any]) -> float:
    """Round to three significant digits, within the range."""
    return min(max(float(f"{value:.3g}"), searched["low"]), searched["high"])


def value_in(params: TaskParams, name: str) -> Any:
    """Return a task's own value of a parameter, as in params.yaml."""
    return value_at(params.model_dump(mode="json"), locate_parameter("", name)[2:])


def contains(searched: Any, value: Any) -> bool:
    """Return whether a range contains a value."""
    if isinstance(searched, list):
        return value in searched
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and searched["low"] <= value <= searched["high"]


def is_integer(searched: Any) -> bool:
    """Return whether a range consists of integers: those between two integers."""
    return isinstance(searched["low"], int) and isinstance(searched["high"], int)


def format_values(values: Mapping[str, Any]) -> str:
    """Format values as `learning_rate=0.01, gamma=0.99`."""
    return ", ".join(f"{name}={as_yaml(value)}" for name, value in values.items())


def _ends(searched: Any) -> list[Any]:
    return searched if isinstance(searched, list) else [searched["low"], searched["high"]]
