"""A revision's tasks, from its dvc.lock and params.yaml.

The tests of `compare` read revisions of a real project.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.experiments.revisions import Revision

STAGES = {
    "train@maze": {
        "params": {
            "params.yaml": {
                "seed": 1,
                "tasks.maze.num_runs": 5,
                "tasks.maze.train": {"gamma": 0.9, "value": {"activation": "relu"}},
            }
        },
        "deps": [
            {"path": "data/maze/rollouts.npz", "md5": "0"},
            {"path": "sources/code/train.json", "md5": "1"},
            {"path": "sources/maze.json", "md5": "2"},
        ],
    },
    "evaluate@maze": {
        "params": {"params.yaml": {"tasks.maze.evaluate": {"num_episodes": 10}}},
        "deps": [{"path": "sources/code/evaluate.json", "md5": "3"}],
        "outs": [{"path": "data/maze/evaluation.csv", "md5": hashlib.md5(b"a\n").hexdigest()}],
    },
    "train@other": {"params": {"params.yaml": {"seed": 2}}},
}
PARAMS: dict[str, Any] = {
    "seed": 1,
    "tasks": {
        "maze": {
            "num_runs": 5,
            "env": {"id": "Maze-v0"},
            "train": {"gamma": 0.9, "value": {"activation": "relu"}},
            "evaluate": {"num_episodes": 10},
        },
        "new": {"num_runs": 1},
    },
}


@pytest.fixture
def revision(tmp_path):
    return Revision("HEAD", None, Path(), tmp_path, PARAMS, STAGES)


def test_parameters_are_those_of_the_stages(revision):
    assert revision.parameters("maze") == {
        "seed": 1,
        "num_runs": 5,
        "train.gamma": 0.9,
        "train.value.activation": "relu",
        "evaluate.num_episodes": 10,
    }


def test_a_parameter_is_that_of_the_stage_that_uses_it(revision):
    # `train` has run with another gamma since `evaluate` ran.
    before = {"num_runs": 5, "train": {"gamma": 0.5}, "policy": {"activation": "tanh"}}
    evaluate = {"evaluate@maze": {"params": {"params.yaml": {"tasks.maze": before}}}}
    parameters = revision._replace(stages=STAGES | evaluate).parameters("maze")
    assert parameters["train.gamma"] == 0.9
    assert parameters["policy.activation"] == "tanh"


def test_parameters_of_a_task_that_never_ran_are_those_of_the_file(revision):
    assert revision.parameters("new") == {"seed": 1, "num_runs": 1}
    assert revision.outdated("new") == []
    assert revision.code("new") == {}


def test_stages_that_ran_with_other_parameters_are_outdated(revision):
    assert revision.outdated("maze") == []
    maze = PARAMS["tasks"]["maze"] | {"train": {"gamma": 0.9}, "env": {"id": "Other-v0"}}
    changed = revision._replace(params={"seed": 1, "tasks": {"maze": maze}})
    assert changed.outdated("maze") == ["train"]
    del maze["evaluate"]
    assert changed.outdated("maze") == ["train", "evaluate"]


def test_code_is_the_records_that_the_stages_depend_on(revision):
    assert revision.code("maze") == {
        ("train", "sources/code/train.json"): "1",
        ("train", "sources/maze.json"): "2",
        ("evaluate", "sources/code/evaluate.json"): "3",
    }


def test_the_environment_is_what_training_depended_on(revision):
    assert revision.environment("maze") == "2"
    assert revision.environment("new") is None


def test_a_table_that_differs_from_what_was_written_is_unrecorded(revision, tmp_path):
    assert revision.unrecorded("maze") == []  # none was read
    table = tmp_path / "data" / "maze" / "evaluation.csv"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"a\n")
    (table.parent / "learning_curve.csv").write_bytes(b"not in dvc.lock\n")
    assert revision.unrecorded("maze") == []
    table.write_bytes(b"b\n")
    assert revision.unrecorded("maze") == ["data/maze/evaluation.csv"]


@pytest.mark.parametrize("params", [{}, {"tasks": None}, {"tasks": []}])
def test_no_tasks(revision, params):
    assert revision._replace(params=params).tasks == []


def test_tasks(revision):
    assert revision.tasks == ["maze", "new"]
