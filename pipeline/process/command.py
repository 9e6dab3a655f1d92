"""Run a stage of the pipeline, or a command: `python -m pipeline <stage> <task>`.

params.yaml is checked before TensorFlow is imported, so mistakes in it are reported at once.
"""

import argparse
import importlib
from typing import NamedTuple

from pipeline.process.arguments import add_params
from pipeline.process.display import draw_offscreen
from pipeline.process.messages import exit_with_message
from pipeline.process.orphans import end_with_dvc
from pipeline.process.start import start_tensorflow
from pipeline.task.task import load_task


class Stage(NamedTuple):
    """A stage, and the setup its process needs before its module is imported."""

    description: str
    computes: bool  # needs TensorFlow at once; other stages start it themselves
    draws: bool  # renders environments


STAGES = {
    "rollout": Stage("Create the initial policies and sample episodes with them", True, False),
    "train": Stage("Train every run with REINFORCE", False, False),
    "variance": Stage("Measure the gradient noise with each baseline", False, False),
    "evaluate": Stage("Export the policies and evaluate their SavedModels", False, False),
    "plot": Stage("Plot the results of a task and film its policy", False, True),
}
COMMANDS = {
    "report": "Write the page with the results of all tasks, or the table in README.md",
    "check": "Check params.yaml and try out its environments",
    "sources": "Record the code of the stages and of the environments in sources/",
    "play": "Play episodes of an exported policy",
    "compare": "Compare experiments and revisions",
}
PROGRAM = "python -m pipeline"


def main(arguments: list[str]) -> None:
    """Run the stage or command named by the first argument; exit as `exit_with_message` does."""
    texts = {name: stage.description for name, stage in STAGES.items()} | COMMANDS
    lines = (f"  {name:10} {text}" for name, text in texts.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} STAGE TASK [--params FILE]\n       {PROGRAM} COMMAND …",
        description="Stages and commands:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="STAGE or COMMAND", choices=[*STAGES, *COMMANDS], help=argparse.SUPPRESS
    )
    name = parser.parse_args(arguments[:1]).name
    if name in STAGES:
        run_stage(name, arguments[1:])
    else:
        with exit_with_message(f"{PROGRAM} {name}"):
            importlib.import_module(f"pipeline.{name}").main(arguments[1:])


def run_stage(name: str, arguments: list[str]) -> None:
    """Run a stage: the function `name` of the module `pipeline.<name>`."""
    stage = STAGES[name]
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=f"{stage.description}.")
    parser.add_argument("task", help="a section of `tasks` in params.yaml")
    add_params(parser)
    options = parser.parse_args(arguments)
    end_with_dvc()
    if stage.draws:
        draw_offscreen()
    with exit_with_message(parser.prog):
        task = load_task(options.params, options.task)
        if stage.computes:
            start_tensorflow()
        getattr(importlib.import_module(f"pipeline.{name}"), name)(task)
