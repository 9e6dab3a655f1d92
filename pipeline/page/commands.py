"""The stages of dvc.yaml and their commands."""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.task.errors import UserError
from pipeline.task.yaml_file import read_yaml


class Stage(NamedTuple):
    """A stage of dvc.yaml."""

    command: str
    description: str
    foreach: str | None  # the section of params.yaml with an entry for each task that it runs for

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
    foreach = stage.get("foreach")
    definition = stage if foreach is None else stage["do"]
    section = None if foreach is None else foreach.strip("${}")
    return Stage(definition["cmd"].strip(), definition.get("desc", ""), section)
