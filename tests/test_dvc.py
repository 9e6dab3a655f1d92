"""What DVC makes of dvc.yaml and of the templates of its plots."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc import cli as dvc_cli
from dvc.repo import Repo

from pipeline.artifacts import write_table
from tests.pipeline.task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[1]
TASKS = ("bandit", "maze")
CHAIN = ["rollout", "train", "variance", "export", "evaluate", "film", "plot"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two tasks with this one's dvc.yaml and templates, of which no stage has run."""
    monkeypatch.chdir(tmp_path)
    assert dvc_cli.main(["init", "--no-scm", "--quiet"]) == 0
    shutil.copytree(REPOSITORY / ".dvc" / "plots", tmp_path / ".dvc" / "plots")
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    write_params(tmp_path, **dict.fromkeys(TASKS, BANDIT))
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_chain_of_stages_for_each_task_and_one_report_after_all_of_them():
    graph = Repo(".").index.graph
    names = {stage.addressing: stage for stage in graph}
    assert set(names) == {f"{stage}@{task}" for stage in CHAIN for task in TASKS} | {"report"}
    assert set(graph.successors(names["report"])) == set(graph) - {names["report"]}


def test_what_stages_depend_on_is_there():
    stages = Repo(str(REPOSITORY)).index.stages
    dependencies = {dep.def_path for stage in stages for dep in stage.deps}
    code = {path for path in dependencies if str(path).partition("/")[0] in ("pipeline", "models")}
    assert len(code) > 20
    assert [path for path in code if not (REPOSITORY / path).exists()] == []


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
