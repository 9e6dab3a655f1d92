"""The pipeline's stages, run in a separate folder."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.task.errors import UserError

ROOT = Path(__file__).parent.parent


def run_stage_in(
    folder: Path, stage: str, task: str, python: Sequence[str] = ("-m", "pipeline")
) -> subprocess.CompletedProcess[str]:
    """Run `python -m pipeline <stage> <task>` in a folder that has a params.yaml.

    Args:
        folder: The folder that contains `data/<task>`, or will.
        stage: The name of the stage.
        task: A section of `tasks` in the folder's params.yaml.
        python: Python's arguments before the stage. Defaults to `-m pipeline`.

    Raises:
        UserError: If the stage fails, with its error output.
    """
    done = subprocess.run(
        [sys.executable, *python, stage, task],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        raise UserError("\n".join([f"python -m pipeline {stage} {task} failed:", *errors]))
    return done


def copy_params(source: Path, folder: Path, num_workers: int | None, **changes: object) -> None:
    """Copy the parameters of `source` to a folder's params.yaml, with changes in every task.

    Raises:
        UserError: If the source cannot be read.
    """
    yaml = YAML()
    try:
        params = yaml.load(source.read_text())
        params["num_workers"] = num_workers
        for task in params["tasks"].values():
            task.update(changes)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{source}: expected the pipeline's parameters") from error
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
