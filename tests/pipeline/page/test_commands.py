"""The commands of dvc.yaml."""

from pathlib import Path

import pytest

from pipeline.page.commands import Stage, read_stages
from pipeline.task.errors import UserError

REPOSITORY = Path(__file__).parents[3]


def test_stages_are_read_in_order_with_their_commands(tmp_path):
    path = tmp_path / "dvc.yaml"
    path.write_text(
        "stages:\n"
        "  train:\n    foreach: ${tasks}\n    do:\n      desc: It learns\n      cmd: run ${key}\n"
        "  report:\n    cmd: run report\n"
    )
    train, report = read_stages(path)
    assert train == Stage("run ${key}", "It learns", foreach="tasks")
    assert train.command_for("cartpole") == "run cartpole"
    assert report == Stage("run report", "", foreach=None)


def test_all_stages_of_the_project_are_described():
    sources, *stages = read_stages(REPOSITORY / "dvc.yaml")
    assert sources.command == "python -m pipeline sources"
    assert stages[0].command_for("x") == "python -m pipeline rollout x"
    assert stages[-1].command == "python -m pipeline report"
    assert all(stage.description for stage in stages)


@pytest.mark.parametrize(
    "text", ["stages: 3\n", "other: {}\n", "stages: {train: {}}\n", "stages: {a: {cmd: [1]}}\n"]
)
def test_a_damaged_file_is_named(text, tmp_path):
    path = tmp_path / "dvc.yaml"
    path.write_text(text)
    with pytest.raises(
        UserError, match=r"dvc\.yaml: expected stages that each have a cmd, received"
    ):
        read_stages(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"dvc\.yaml: no such file$"):
        read_stages(tmp_path / "dvc.yaml")
