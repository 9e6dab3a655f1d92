"""Tests of the commands in docs/experiments.md, in a pipeline with two quick tasks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from dvc import cli as dvc_cli

from pipeline.task.yaml_file import read_yaml

REPOSITORY = Path(__file__).parents[1]
PATH = REPOSITORY / "docs" / "experiments.md"
PAGE = PATH.read_text()
COMMANDS = [line.strip() for line in re.findall(r"^(?: {4}|      )(\S.*)$", PAGE, re.MULTILINE)]

PARAMS = "tasks:\n  cartpole:\n    x: 1\n  pendulum:\n    x: 2\n"
# A stage that appends the processor's last digit to x; if x is 99, it waits to be killed.
STAGE = """
import json, os, pathlib, sys, time
task, x = sys.argv[1:]
if x == "99":
    pathlib.Path("begun").touch()
    time.sleep(60)
folder = pathlib.Path("data", task)
folder.mkdir(parents=True, exist_ok=True)
value = x + os.environ.get("LAST_DIGIT", "0")
(folder / "evaluation.csv").write_text(value)
(folder / "metrics.json").write_text(json.dumps({task: {"greedy": float(value)}}))
pathlib.Path("runs").open("a").write(f"{task} ")
"""
DVC_YAML = """
stages:
  evaluate:
    foreach: ${tasks}
    do:
      cmd: python stage.py ${key} ${item.x}
      params: ["tasks.${key}.x"]
      outs: ["data/${key}/evaluation.csv"]
      metrics: [{"data/${key}/metrics.json": {cache: false}}]
"""


def environment(**variables):
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | variables


def shell(command, **variables):
    """Run a shell command and return its output."""
    return subprocess.run(
        ["sh", "-c", command],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def dvc(*arguments):
    assert dvc_cli.main([*arguments, "--quiet"]) == 0


def command(part):
    """Find the only command on the page that contains this text."""
    [found] = [line for line in COMMANDS if part in line]
    return found.partition("  #")[0]


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiments")
    with chdir(root):
        shell("git init --quiet --initial-branch main")
        shell("git config user.name Test && git config user.email test@example.org")
        dvc("init")
        shutil.copy(REPOSITORY / ".dvc" / "config", ".dvc")
        shutil.copy(REPOSITORY / ".gitignore", ".")
        Path("stage.py").write_text(STAGE)
        Path("dvc.yaml").write_text(DVC_YAML)
        Path("params.yaml").write_text(PARAMS)
        with Path(".gitignore").open("a") as file:
            file.write("/begun\n/runs\n")
        shell("dvc repro --quiet")
        shell("git add --all && git commit --quiet --message Begin")
    return root


@pytest.fixture
def project(committed, tmp_path, monkeypatch):
    root = tmp_path / "project"
    shutil.copytree(committed, root, symlinks=True)
    monkeypatch.chdir(root)


@pytest.mark.usefixtures("project")
def test_recovery_after_dvc_was_killed():
    run = [sys.executable, "-m", "dvc", "exp", "run", "-S", "tasks.cartpole.x=99"]
    process = subprocess.Popen(run, start_new_session=True, env=environment())
    deadline = time.monotonic() + 60
    while not Path("begun").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "HEAD (no branch)" in shell("git status --short --branch")
    assert "x: 99" in Path("params.yaml").read_text()
    assert not Path("data/cartpole/evaluation.csv").exists()
    shell("git add params.yaml")  # recovery must also undo staged changes

    shell(command("--staged --worktree"))
    assert shell("git status --short --branch") == "## main\n"
    assert Path("params.yaml").read_text() == PARAMS
    assert Path("data/cartpole/evaluation.csv").read_text() == "10"
    assert "up to date" in shell("dvc status")


@pytest.mark.usefixtures("project")
def test_an_experiment_with_one_task():
    shell("dvc exp run --quiet -S tasks.cartpole.x=5 -S tasks.pendulum.x=6 evaluate@cartpole")
    # As the page says: the metrics of pendulum belong to the old parameter.
    head, _, _, experiment = shell("dvc exp show --csv").splitlines()
    row = dict(zip(head.split(","), experiment.split(","), strict=True))
    assert (row["tasks.pendulum.x"], row["pendulum.greedy"]) == ("6", "20.0")
    head, *_ = shell(f"{command('Experiment|Created')} --csv").splitlines()
    shown = [name for name in head.split(",") if name not in ("rev", "typ", "parent")]
    assert shown == ["Experiment", "Created", "cartpole.greedy", "tasks.cartpole.x"]

    changed = ["data/cartpole/metrics.json", "dvc.lock", "params.yaml"]
    assert shell("git status --porcelain") == "".join(f" M {name}\n" for name in changed)
    shell(command("git restore params.yaml dvc.lock data"))
    assert shell("git status --porcelain") == ""
    assert Path("data/cartpole/evaluation.csv").read_text() == "10"


@pytest.mark.usefixtures("project")
def test_another_processors_results_are_discarded():
    shell("dvc repro --force --quiet", LAST_DIGIT="7")
    assert " M dvc.lock" in shell("git status --porcelain").splitlines()
    shell(command("git restore dvc.lock data"))
    assert shell("git status --porcelain") == ""


@pytest.mark.usefixtures("project")
def test_a_removed_task_leaves_nothing():
    before = read_yaml(Path("dvc.lock"))["stages"]
    Path("params.yaml").write_text(PARAMS.partition("  pendulum")[0])
    ran = Path("runs").read_text()
    shell(command("rm -r data/pendulum"))
    shell(command("rm dvc.lock"))
    assert Path("runs").read_text() == ran  # nothing ran again
    assert read_yaml(Path("dvc.lock"))["stages"] == {
        "evaluate@cartpole": before["evaluate@cartpole"]
    }
    assert [folder.name for folder in Path("data").iterdir()] == ["cartpole"]
    assert "up to date" in shell("dvc status")
