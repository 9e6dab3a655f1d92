"""Tests of dvc.yaml and the plot templates, through DVC itself."""

import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc import cli as dvc_cli
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline.runs import imports
from pipeline.runs.imports import code_digests
from pipeline.task.artifacts import write_table
from pipeline.task.yaml_file import read_yaml
from tests.pipeline.small_task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[1]
TASKS = ("bandit", "maze")
CHAIN = ["rollout", "train", "variance", "evaluate", "plot"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a project of two tasks with our dvc.yaml and plot templates; no stage has run."""
    monkeypatch.chdir(tmp_path)
    assert dvc_cli.main(["init", "--no-scm", "--quiet"]) == 0
    shutil.copytree(REPOSITORY / ".dvc" / "plots", tmp_path / ".dvc" / "plots")
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    write_params(tmp_path, **{name: copy.deepcopy(BANDIT) for name in TASKS})
    return tmp_path


def test_the_gradient_noise_is_measured_only_where_asked_and_by_no_other_stage(project):
    params = read_yaml(project / "params.yaml")
    assert list(params["variance"]) == list(TASKS)
    for measured in ({}, {"maze": params["variance"]["maze"]}):
        with (project / "params.yaml").open("w") as file:
            YAML().dump(params | {"variance": measured}, file)
        names = {stage.addressing: stage for stage in Repo(".").index.graph}
        assert {n for n in names if n.startswith("variance")} == {f"variance@{n}" for n in measured}
    # `dvc repro plot@maze` does not run it.
    stages = {f"{stage}@maze" for stage in CHAIN if stage != "variance"}
    needed = Repo(".").stage.collect("plot@maze", with_deps=True)
    assert {stage.addressing for stage in needed} == {"sources", *stages}


@pytest.mark.usefixtures("project")
def test_a_chain_of_stages_for_each_task_and_one_report_after_all_of_them():
    graph = Repo(".").index.graph
    names = {stage.addressing: stage for stage in graph}
    chains = {f"{stage}@{task}" for stage in CHAIN for task in TASKS}
    assert set(names) == chains | {"sources", "report"}
    for name in chains:
        assert names["sources"] in set(graph.successors(names[name]))
    assert set(graph.successors(names["report"])) == set(graph) - {names["report"]}


def test_each_stage_depends_on_the_record_of_its_code():
    stages = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    assert set(stages) == {"sources", *CHAIN, "report"}
    for stage in CHAIN:
        assert f"sources/code/{stage}.json" in stages[stage]["do"]["deps"]
        assert "sources/${key}.json" in stages[stage]["do"]["deps"]
    assert {"sources", "pipeline/page"} <= set(stages["report"]["deps"])


def test_the_record_of_a_stage_has_the_files_that_it_imports(monkeypatch):
    code = {stage: code_digests(stage) for stage in [*CHAIN, "report"]}

    def stages_with(path):
        return [stage for stage in code if path in code[stage]]

    # An edit changes the records that have the file, and so reruns only their stages.
    assert stages_with("pipeline/figures/plane.py") == ["plot"]
    assert stages_with("pipeline/page/document.py") == ["report"]
    assert stages_with("pipeline/process/command.py") == list(code)
    content = (REPOSITORY / "pipeline/plot.py").read_bytes()
    assert code["plot"]["pipeline/plot.py"] == hashlib.sha256(content).hexdigest()
    # Imported through an entry point in a string, and through packages.
    assert stages_with("pipeline/train_run.py") == ["train"]
    assert "environments/compiled/cartpole.py" in code["train"]
    # The id of an environment may import any file in environments/.
    assert stages_with("environments/vector/serial.py") == list(code)
    for path in ("environments/checker/steps.py", "reinforce/exact/objective.py"):
        assert (REPOSITORY / path).exists()
        assert stages_with(path) == []
    monkeypatch.setattr(imports, "ENTRY_POINT", re.compile("nothing"))
    assert "pipeline/train_run.py" not in code_digests("train")


def test_the_learning_curve_is_a_plot_of_every_run_over_env_steps(project):
    curve = {"run": np.array([0, 0, 1, 1]), "num_env_steps": np.array([5, 9, 4, 8])}
    path = "data/maze/learning_curve.csv"
    write_table(project / path, curve | {"mean_return": np.array([1.0, 2.0, 3.0, 4.0])})
    command = [sys.executable, "-m", "dvc", "plots", "show", "--json", path]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert shown.get("errors", []) == []
    (plot,) = shown["data"][path]
    content = plot["content"]
    assert content["title"] == "maze"
    each_run, median = content["layer"]
    assert each_run["encoding"]["x"]["field"] == median["encoding"]["x"]["field"] == "num_env_steps"
    assert content["encoding"]["y"]["field"] == median["encoding"]["y"]["field"] == "mean_return"
    assert each_run["encoding"]["detail"]["field"] == "run"
    assert [row["run"] for row in content["data"]["values"]] == ["0", "0", "1", "1"]
    assert "<DVC" not in json.dumps(content)


def run(*command):
    return subprocess.run(
        [sys.executable, "-m", *command] if command[0] == "dvc" else command,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
    )


MODULE = """
import gymnasium
from environments.bandit import Bandit

gymnasium.register("MyBandit-v0", f"{__name__}:MyBandit", max_episode_steps=1)

class MyBandit(Bandit):
    def __init__(self, probabilities):
        super().__init__(probabilities)
        self.rewards = open("rewards.txt").read()
"""


def test_committed_results_come_back_after_a_stage_that_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", ".dvcignore", "environments", "models", "reinforce", "pipeline"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "my_env.py").write_text(MODULE)
    (tmp_path / "rewards.txt").write_text("0 1")
    env = {"id": "my_env:MyBandit-v0", "kwargs": {"probabilities": [0.3, 0.7]}}
    write_params(tmp_path, bandit=BANDIT | {"env": env})
    assert run("git", "init", "--quiet").returncode == 0
    assert run("dvc", "init", "--quiet").returncode == 0
    result = run("dvc", "repro", "rollout@bandit")
    assert result.returncode == 0, result.stderr
    output = tmp_path / "data" / "bandit" / "rollouts.npz"
    content = output.read_bytes()
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    assert run("git", "add", "params.yaml", "dvc.lock").returncode == 0
    assert run("git", *author, "commit", "--quiet", "-m", "Results").returncode == 0

    mistaken = env | {"kwargs": {"probabilities": [2.0]}}
    write_params(tmp_path, bandit=BANDIT | {"env": mistaken})
    assert run("dvc", "repro", "rollout@bandit").returncode != 0
    assert not output.exists()  # DVC removes outputs first

    assert run("git", "restore", "params.yaml", "dvc.lock").returncode == 0
    assert run("dvc", "checkout", "rollout@bandit").returncode == 0
    assert output.read_bytes() == content
    assert "didn't change, skipping" in run("dvc", "repro", "rollout@bandit").stdout

    # No stage declares the file that the environment reads, but `sources` notices its change.
    (tmp_path / "rewards.txt").write_text("0 2")
    assert run("dvc", "repro", "sources").returncode == 0
    status = json.loads(run("dvc", "status", "--json", "rollout@bandit").stdout)
    assert status["rollout@bandit"] == [{"changed deps": {"sources/bandit.json": "modified"}}]


def test_git_ignores_the_outputs_of_stages_but_not_the_users_data():
    stages = read_yaml(REPOSITORY / "dvc.yaml")["stages"].values()
    definitions = [stage.get("do", stage) for stage in stages]
    outs = [out for d in definitions for key in ("outs", "plots") for out in d.get(key, [])]
    paths = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
    written = [path.replace("${key}", "maze") for path in paths] + ["data/maze/.film.12/film.gif"]
    others = ["maze/metrics.json", "prices/p.csv", "prices/p.csv.dvc", "prices/.gitignore"]
    command = ["git", "check-ignore", "--no-index", *written, *(f"data/{o}" for o in others)]
    ignored = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ignored.stdout.split() == written


@pytest.mark.parametrize("name", ["params.yaml", "params-classic.yaml", "params-robots.yaml"])
def test_an_experiment_changes_only_the_line_of_its_value(tmp_path, name):
    before = (REPOSITORY / name).read_text()
    (tmp_path / name).write_text(before)
    apply_overrides(tmp_path / name, ["seed=1"])  # as `dvc exp run -S` does
    after = (tmp_path / name).read_text()
    assert after == re.sub("^seed: 0", "seed: 1", before, flags=re.MULTILINE)
