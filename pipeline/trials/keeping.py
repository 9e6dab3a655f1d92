"""The command that makes values of parameters permanent."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.process.arguments import PARAMS
from pipeline.task.mistakes import Location, dotted, value_at
from pipeline.task.yaml_file import read_yaml
from pipeline.trials.values import as_yaml


def how_to_keep(overrides: Mapping[Location, Any], path: Path) -> list[str]:
    """Return the command that runs the pipeline with values and keeps them in params.yaml.

    For another file, return lines with the parameters and their values.

    Args:
        overrides: Location in the file → value.
        path: The path of the file; DVC requires a plus sign before parameters that it lacks.
    """
    if path != PARAMS:
        return [f"{dotted(location)}: {as_yaml(value)}" for location, value in overrides.items()]
    data, settings = read_yaml(path), []
    for location, value in overrides.items():
        try:
            value_at(data, location)
            plus = ""
        except (LookupError, TypeError):
            plus = "+"
        settings.append(f"-S {shlex.quote(f'{plus}{dotted(location)}={_hydra(value)}')}")
    return [f"dvc exp run {' '.join(settings)}"]


def _hydra(value: Any) -> str:
    """Format a value for `dvc exp run -S`, in the grammar of Hydra."""
    match value:
        case list():
            return f"[{','.join(map(_hydra, value))}]"
        case str() if not re.fullmatch(r"(?!null$|true$|false$|inf$|nan$)[A-Za-z][\w.:-]*", value):
            quoted = value.replace("'", "\\'")
            return f"'{quoted}'"
        case _:
            return as_yaml(value)
