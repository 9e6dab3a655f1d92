"""What DVC makes of dvc.yaml and of the templates of its plots."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc import cli as dvc_cli
from dvc.repo import Repo

from pipeline.files.artifacts import write_table
from pipeline.parameters.yaml_file import read_yaml
from tests.pipeline.task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[1]
TASKS = ("bandit", "maze")
CHAIN = ["rollout", "train", "variance", "export", "evaluate", "plot"]


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
    for stage in CHAIN:
        code = code_of(stage)
        assert f"pipeline/{stage}.py" in code
        assert [path for path in code if not (REPOSITORY / path).exists()] == []


# Imported, but no result depends on it: it says what is wrong.
SAYS = {"pipeline/errors.py", "pipeline/check.py"}


@pytest.mark.parametrize("stage", [*CHAIN, "report"])
def test_a_stage_depends_on_all_code_that_it_imports(stage):
    code = code_of(stage)
    imported = imports(REPOSITORY / "pipeline" / f"{stage}.py") - SAYS
    assert len(imported) > 8
    assert {
        path for path in imported if not any(path == c or path.startswith(f"{c}/") for c in code)
    } == set()


def code_of(stage):
    """The files and folders of code that dvc.yaml names for a stage."""
    declared = read_yaml(REPOSITORY / "dvc.yaml")["stages"][stage]
    deps = declared.get("do", declared)["deps"]
    return [path for path in deps if path.partition("/")[0] in ("pipeline", "models")]


def imports(path, seen=None):
    """A file of this project and all files of it that it imports, wherever the statement is."""
    seen = set() if seen is None else seen
    name = str(path.relative_to(REPOSITORY))
    tree = ast.parse(path.read_text())
    if name not in seen and len(tree.body) > 1:  # a docstring alone does nothing
        seen.add(name)
        for node in runtime_nodes(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for module in [node.module, *(f"{node.module}.{n.name}" for n in node.names)]:
                    place = REPOSITORY / module.replace(".", "/")
                    packages = [place, *place.parents][: module.count(".") + 1]
                    for file in [place.with_suffix(".py"), *(p / "__init__.py" for p in packages)]:
                        if file.is_file():
                            imports(file, seen)
    return seen


def runtime_nodes(tree):
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from runtime_nodes(node)


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
