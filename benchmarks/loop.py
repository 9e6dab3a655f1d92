"""Seconds from Enter to an answer: whole commands, as a user types them.

The commands run in turn, in a temporary clone of the project's last commit whose results are up to
date, so that each does only the work of its change. Every command is measured twice in a row: the
first time, without compiled programs in `.xla_cache`, and warm, with them. Two more processes train
until the mean return of 100 sampled episodes of CartPole-v1 reaches 475: this project's, as in
`benchmarks.time_to_solve` but evaluated every 10 updates, and Stable-Baselines3's PPO.
"""

import argparse
import itertools
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.stages import ROOT
from pipeline.process.arguments import count
from pipeline.process.messages import exit_with_message
from pipeline.process.xla_cache import FOLDER, VARIABLE
from pipeline.task.errors import UserError

COMMAND = "python -m benchmarks.loop"
CHANGE = "dvc exp run -S tasks.cartpole.train.learning_rate={rate}"
COMMANDS = {
    "train": "python -m pipeline train cartpole",
    "experiment": CHANGE,
    "plot": f"{CHANGE} plot@cartpole",
    "try": "python -m pipeline try cartpole learning_rate=0.003,0.01,0.03",
    "repro": "dvc repro --force",
    "solve": "python -c {solve} {seed}",
    "sb3": f"{{sb3}} -I {shlex.quote(str(ROOT))}/benchmarks/solve_with_sb3.py {{seed}}",
}
LABELS = {
    "solve": "CartPole-v1 solved by this project",
    "sb3": "CartPole-v1 solved by Stable-Baselines3 PPO",
}
SOLVE = """
import sys, time
from pathlib import Path
from ruamel.yaml import YAML
from benchmarks.time_to_solve import CRITERIA, Request, measure_time_to_solve
params, path = YAML().load(Path("params.yaml")), Path("seeded.yaml")
params["seed"] = int(sys.argv[1])
YAML().dump(params, path)
criterion = CRITERIA["cartpole"]._replace(every=10)
[run] = measure_time_to_solve(Request(path, "cartpole", criterion, 1, time.time()))["runs"]
sys.exit(None if run["solved"] else "not solved within {:,} env steps".format(run["env_steps"]))
"""
HOW_TO_INSTALL = "python -m venv /tmp/sb3 && /tmp/sb3/bin/pip install stable-baselines3"


def environment_of(folder: Path) -> dict[str, str]:
    """Make the environment variables of a user's shell, with this Python as `python`.

    Args:
        folder: For DVC's files outside the project.
    """
    ours = {VARIABLE, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    variables = {name: value for name, value in os.environ.items() if name not in ours}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return variables | {"PATH": path, "DVC_SITE_CACHE_DIR": str(folder)}


def run_timed(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[float, float]:
    """Run a command; return its seconds and the CPU seconds of all its processes.

    Raises:
        UserError: If it fails, with the end of its output.
    """
    begun = os.times()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    ended = os.times()
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        text = textwrap.shorten(shlex.join(command), 100, placeholder=" …")
        raise UserError("\n".join([f"{text} failed:", *lines[-20:]]))
    cpu = sum(ended[2:4]) - sum(begun[2:4])  # children, user and system
    return ended.elapsed - begun.elapsed, cpu


def clone_project(project: Path, clone: Path, environment: Mapping[str, str]) -> None:
    """Clone a project's last commit, and bring its results up to date, from DVC's cache if there.

    Raises:
        UserError: If the project cannot be cloned or `dvc repro` fails.
    """
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    git = ["git", "clone", "--quiet", *author, str(project.absolute()), str(clone)]
    run_timed(git, clone.parent, environment)
    cache = Path(".dvc", "cache")
    if (project / cache).is_dir():
        shutil.copytree(project / cache, clone / cache)
    run_timed(["dvc", "repro"], clone, environment)


def measure_loop(
    names: Sequence[str], project: Path, sb3: str | None, repeat: int
) -> list[dict[str, Any]]:
    """Measure commands in turn, and report progress.

    Args:
        names: Of `COMMANDS`.
        project: The checkout to measure.
        sb3: A Python that has stable-baselines3, for the command `sb3`.
        repeat: How often to measure each command.

    Returns:
        Rows of `command`, `first` and `warm`; the latter two are pairs of seconds and CPU seconds,
        one for each repetition.

    Raises:
        UserError: If a command fails.
    """
    labels = {name: f"`{COMMANDS[name].replace('{rate}', '…')}`" for name in names} | LABELS
    rows: list[dict[str, Any]] = [
        {"command": labels[name], "first": [], "warm": []} for name in names
    ]
    # Another rate each time, so that DVC has no results of it. All learn alike.
    rates = (f"{0.01 + i * 1e-5:.5f}" for i in itertools.count(1))
    with tempfile.TemporaryDirectory() as folder:
        clone, environment = Path(folder, "clone"), environment_of(Path(folder, "dvc"))
        _report("clone the project and bring its results up to date (minutes)\n")
        clone_project(project, clone, environment)
        for i in range(repeat):
            for name, row in zip(names, rows, strict=True):
                for state in ("first", "warm"):
                    _report(f"{i + 1} of {repeat}: {row['command']}, {state}: ")
                    if state == "first":
                        shutil.rmtree(clone / FOLDER, ignore_errors=True)
                    text = COMMANDS[name].format(
                        rate=next(rates),
                        solve=shlex.quote(SOLVE),
                        sb3=shlex.quote(sb3 or ""),
                        seed=i,
                    )
                    seconds, cpu = run_timed(shlex.split(text), clone, environment)
                    row[state].append((seconds, cpu))
                    _report(f"{seconds:.1f} s, {cpu:.1f} s of CPU time\n")
    return rows


def _report(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def print_loop(rows: Sequence[dict[str, Any]]) -> None:
    """Print the medians of each command."""

    def cell(row: dict[str, Any], state: str) -> str:
        seconds, cpu = map(statistics.median, zip(*row[state], strict=True))
        return f"{seconds:.1f} ({cpu:.1f})"

    lines = [[row["command"], cell(row, "first"), cell(row, "warm")] for row in rows]
    print(report.aligned_table(["command", "first time, s (CPU)", "warm, s (CPU)"], lines))


def main(arguments: list[str] | None = None) -> None:
    """Print a table; write the measurements if `--json` is given."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}; default: all"
    )
    parser.add_argument(
        "--repeat", type=count, default=5, help="measurements of each; default: %(default)s"
    )
    parser.add_argument(
        "--project", type=Path, default=ROOT, metavar="FOLDER", help="another checkout to measure"
    )
    parser.add_argument(
        "--sb3",
        type=os.path.abspath,
        metavar="PYTHON",
        help="a Python with stable-baselines3, for the command sb3",
    )
    report.add_json(parser)
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(COMMANDS):
        parser.error(f"expected some of {', '.join(COMMANDS)}, received {', '.join(unknown)}")
    with exit_with_message(COMMAND):
        names = list(dict.fromkeys(options.names or COMMANDS))
        for name, reason in _unavailable(options.project, options.sb3).items():
            if name in options.names or (name == "sb3" and options.sb3):
                raise UserError(f"{COMMAND}: {name}: {reason}")
            if name in names:
                _report(f"without {name}: {reason}\n")
                names.remove(name)
        rows = measure_loop(names, options.project, options.sb3, options.repeat)
        print_loop(rows)
        report.write_measurements(options.json, COMMAND, rows)


def _unavailable(project: Path, sb3: str | None) -> dict[str, str]:
    """Return the commands that cannot be measured, each with the reason."""
    checks = {
        "try": (
            ["python", "-m", "pipeline", "try", "--help"],
            f"expected a project with `python -m pipeline try`, received {project}",
        ),
        "sb3": (
            [sb3 or "", "-c", "import stable_baselines3"],
            "expected --sb3 PYTHON with stable-baselines3, received "
            f"{sb3 or 'nothing'}; to make one: {HOW_TO_INSTALL}",
        ),
    }
    reasons = {}
    for name, (command, reason) in checks.items():
        try:
            run_timed(command, project, environment_of(project))
        except (UserError, OSError):
            reasons[name] = reason
    return reasons


if __name__ == "__main__":
    main()
