"""Run a stage of the pipeline, or a command: `python -m pipeline <stage> <task>`.

params.yaml is checked before TensorFlow is imported, so that a mistake in it is answered at once.
"""

import argparse
import importlib
import sys
from pathlib import Path

from pipeline.process.display import draw_unseen
from pipeline.process.messages import one_message
from pipeline.process.orphans import end_with_dvc
from pipeline.process.start import start_tensorflow
from pipeline.task.task import load_task

STAGES = {
    "rollout": "create the initial policy of every run, and sample episodes with it",
    "train": "train every run by REINFORCE",
    "variance": "measure the noise of the gradient with each baseline",
    "export": "export the trained policies as SavedModels",
    "evaluate": "evaluate the SavedModels in Gymnasium's environment",
    "plot": "draw the results of a task, and a film of its policy",
}
COMPUTING = {"rollout", "variance", "export"}  # in this process; `train` and `evaluate` in workers
DRAWING = {"plot"}
COMMANDS = {
    "report": "write the page of all tasks' results; or the table in README.md",
    "check": "check params.yaml",
    "play": "play episodes of an exported policy",
    "compare": "compare experiments and revisions",
}
PROGRAM = "python -m pipeline"


def main(arguments: list[str]) -> None:
    """Run the stage or command that the first argument names; see `one_message` for the status."""
    lines = (f"  {name:10} {text}" for name, text in {**STAGES, **COMMANDS}.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} STAGE TASK [--params FILE]\n       {PROGRAM} COMMAND …",
        description="stages and commands:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="STAGE or COMMAND", choices=[*STAGES, *COMMANDS], help=argparse.SUPPRESS
    )
    name = parser.parse_args(arguments[:1]).name
    if name in STAGES:
        run_stage(name, arguments[1:])
    else:
        importlib.import_module(f"pipeline.{name}").main(arguments[1:])


def run_stage(name: str, arguments: list[str]) -> None:
    """Run the stage of this name: the function `name` of the module `pipeline.<name>`."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=STAGES[name])
    parser.add_argument("task", help="a section of `tasks` in params.yaml")
    parser.add_argument(
        "--params", type=Path, default=Path("params.yaml"), help="default: %(default)s"
    )
    options = parser.parse_args(arguments)
    end_with_dvc()
    if name in DRAWING:
        draw_unseen()
    with one_message(parser.prog):
        task = load_task(options.params, options.task)
        if name in COMPUTING:
            start_tensorflow()
        stage = importlib.import_module(f"pipeline.{name}")
        getattr(stage, name)(task)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without ∞
    main(sys.argv[1:])
