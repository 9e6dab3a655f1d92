"""Run a stage of the pipeline, or a command: `python -m pipeline <stage> <task>`.

params.yaml is checked before TensorFlow is imported, so mistakes in it are reported at once.
"""

import argparse
import importlib

from pipeline.process.arguments import add_params
from pipeline.process.display import draw_offscreen
from pipeline.process.messages import exit_with_message
from pipeline.process.orphans import end_with_dvc
from pipeline.task.task import load_task

STAGES = {
    "rollout": "Create the initial policies and sample episodes with them",
    "train": "Train every run with REINFORCE",
    "variance": "Measure the gradient noise with each baseline",
    "evaluate": "Export the policies and evaluate their SavedModels",
    "plot": "Plot the results of a task and film its policy",
}
COMMANDS = {
    "report": "Write the page with the results of all tasks, or the table in README.md",
    "check": "Check params.yaml and try out its environments",
    "sources": "Record the code of the stages and of the environments in sources/",
    "play": "Play episodes of an exported policy",
    "compare": "Compare experiments and revisions",
    "try": "Train with several values of parameters and compare them",
    "tune": "Search for parameters of a task",
}
MODULES = {"try": "try_values"}  # `try` is a keyword of Python
PROGRAM = "python -m pipeline"


def main(arguments: list[str]) -> None:
    """Run the stage or command named by the first argument; exit as `exit_with_message` does."""
    lines = (f"  {name:10} {text}" for name, text in (STAGES | COMMANDS).items())
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
            importlib.import_module(f"pipeline.{MODULES.get(name, name)}").main(arguments[1:])


def run_stage(name: str, arguments: list[str]) -> None:
    """Run a stage: the function `name` of the module `pipeline.<name>`."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=f"{STAGES[name]}.")
    parser.add_argument("task", help="a section of `tasks` in params.yaml")
    add_params(parser)
    options = parser.parse_args(arguments)
    end_with_dvc()
    if name == "plot":
        draw_offscreen()
    with exit_with_message(parser.prog):
        task = load_task(options.params, options.task)
        getattr(importlib.import_module(f"pipeline.{name}"), name)(task)
