"""The stages of dvc.yaml and their commands."""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.task.errors import UserError
from pipeline.task.yaml_file import read_yaml


class Stage(NamedTuple):
    """A stage of dvc.yaml."""

    command: str
    description: str
    is_for_each_task: bool

    def command_for(self, task: str) -> str:
        """Return the command that DVC runs for a task."""
        return self.command.replace("${key}", task)


def read_stages(path: Path) -> list[Stage]:
    """Read the stages, in the order of the file.

    Raises:
        UserError: If the file is missing or damaged.
    """
    try:
        return [_stage(stage) for stage in read_yaml(path)["stages"].values()]
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected stages that each have a cmd, "
            f"received {type(error).__name__}: {error}"
        ) from error


def _stage(stage: dict[str, Any]) -> Stage:
    is_for_each_task = "foreach" in stage
    definition = stage["do"] if is_for_each_task else stage
    return Stage(definition["cmd"].strip(), definition.get("desc", ""), is_for_each_task)
