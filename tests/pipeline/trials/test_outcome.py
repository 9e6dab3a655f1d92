"""The outcome of trying values: the table, the differences, and how to keep the best."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.utils.hydra import apply_overrides

from pipeline.task.mistakes import Location
from pipeline.task.overrides import override
from pipeline.task.yaml_file import read_yaml
from pipeline.trials.events import TimedRun
from pipeline.trials.keeping import how_to_keep
from pipeline.trials.outcome import Trial, cells, describe, write_picture
from pipeline.trials.values import make_candidates
from reinforce.records import UpdateRecord
from tests.pipeline.small_task import BANDIT, write_params


def trials(folder, argument, *returns):
    """Make a trial for each value, from the final returns of its runs; None: a run diverged."""
    path = write_params(folder, bandit=BANDIT)
    candidates = make_candidates(path, "bandit", [argument])
    return [
        Trial(candidate, [run(final) for final in of_value])
        for candidate, of_value in zip(candidates, returns, strict=True)
    ]


def run(final):
    record = UpdateRecord(0, 4, 10, final or 0.0, 0, 0, 0, 0, 0, np.zeros(1))
    return TimedRun([record], final, 0.25)


def test_the_table_has_the_mean_its_interval_and_the_worst_run(tmp_path):
    made = trials(tmp_path, "gamma=0.5,0.9,1", [1, 3, 3, 5], [2, None, 2, 2], [7])
    # Of four runs, the interquartile mean leaves out the lowest and the highest: (3 + 3) / 2.
    head, first, second, third = cells(made, ["▁", "▂", "▃"])
    assert " ".join(head) == "gamma runs mean return worst run env steps seconds learning curve"
    assert first[:2] == ["0.5", "4"]
    assert first[2].startswith("3.00 [")
    assert first[3:] == ["1.00", "40", "1.0", "▁"]
    assert second[2:4] == ["diverged (1)", ""]
    assert third[2:4] == ["7.00", "7.00"]


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        (
            ([1, 1.1, 1.2, 1.3], [9, 9.1, 9.2, 9.3]),
            ["gamma=0.5 minus gamma=0.9, mean return: −8.00 [", ", lower", "gamma=0.9"],
        ),
        (
            ([1, 2, 3, 4], [1, 2, 3.1, 4]),
            ["inconclusive (the interval includes 0)", "gamma=0.9"],
        ),
        (([1, 1], [9, 9]), ["inconclusive (fewer than 4 runs)", "try runs=5", "gamma=0.9"]),
        (([9, 9, 9, None], [1, 1, 1, 1]), ["gamma=0.9"]),
    ],
)
def test_the_best_value_can_be_kept(returns, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = describe(trials(tmp_path, "gamma=0.5,0.9", *returns), Path("params.yaml"))
    assert all(part in text for part in expected)
    assert text.splitlines()[-1].startswith("    dvc exp run -S tasks.bandit.train.gamma=")
    assert text.endswith(expected[-1])


def test_more_than_three_values_are_compared_with_the_best(tmp_path):
    made = trials(tmp_path, "gamma=0.1,0.2,0.3,0.4", *([i] * 4 for i in (1, 2, 4, 3)))
    lines = describe(made, tmp_path / "params.yaml").splitlines()
    assert [line.partition(" minus ")[0] for line in lines[:3]] == [
        "gamma=0.4",
        "gamma=0.2",
        "gamma=0.1",
    ]
    assert all(" minus gamma=0.3, " in line for line in lines[:3])


def test_returns_of_different_environments_are_not_compared(tmp_path):
    made = trials(tmp_path, "env.max_episode_steps=1,2", [1] * 4, [2] * 4)
    text = describe(made, Path("params.yaml"))
    assert "not compared (the environments differ)" in text
    assert "keep" not in text


def test_values_that_all_diverged_are_not_kept_and_have_no_picture(tmp_path):
    made = trials(tmp_path, "gamma=0.5,0.9", [None], [None])
    assert describe(made, Path("params.yaml")).startswith("Runs of each value diverged")
    assert write_picture(tmp_path / "x.png", made) == "no picture: all runs diverged"
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 1e-5),
        ("value.learning_rate", 0.01),
        ("policy.hidden_sizes", [64, 32]),
        ("max_gradient_norm", None),
        ("optimizer", "sgd"),
        ("env.kwargs.x", [[0.5, True], "a b's", "null", "-1"]),
    ],
)
def test_the_command_sets_the_same_values_with_dvc(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, bandit=BANDIT)
    section = () if name.startswith(("env", "policy")) else ("train",)
    overrides: dict[Location, Any] = {("tasks", "bandit", *section, *name.split(".")): value}
    expected = read_yaml(Path("params.yaml"))
    override(expected, overrides)
    (command,) = how_to_keep(overrides, Path("params.yaml"))
    apply_overrides("params.yaml", shlex.split(command)[4::2])
    assert read_yaml(Path("params.yaml")) == expected


def test_another_file_is_edited_by_hand(tmp_path):
    overrides: dict[Location, Any] = {("tasks", "bandit", "train", "gamma"): 0.5}
    assert how_to_keep(overrides, tmp_path / "other.yaml") == ["tasks.bandit.train.gamma: 0.5"]
