"""The command `python -m pipeline`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.process import command as module
from pipeline.task.errors import UserError
from pipeline.task.yaml_file import read_yaml
from tests.pipeline.small_task import BANDIT, write_params


@pytest.mark.parametrize(("stage", "draws"), [("plot", True), ("evaluate", False)])
def test_a_stage_that_draws_sets_variables_before_it_makes_environments(stage, draws, monkeypatch):
    # Libraries read these variables on import, and making an environment imports the libraries.
    monkeypatch.setattr(os, "environ", {})

    def load_task(*_):
        assert os.environ.get("SDL_VIDEODRIVER") == ("dummy" if draws else None)
        raise UserError("checked")

    monkeypatch.setattr(module, "load_task", load_task)
    with pytest.raises(SystemExit, match="checked"):
        module.main([stage, "task"])


@pytest.mark.parametrize("stage", sorted(module.STAGES))
def test_every_stage_is_called_with_its_task(stage, tmp_path, monkeypatch):
    received: list[Any] = []
    write_params(tmp_path, bandit=BANDIT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(f"pipeline.{stage}.{stage}", received.append)
    module.main([stage, "bandit"])
    assert [task.name for task in received] == ["bandit"]


@pytest.mark.parametrize("name", sorted(module.COMMANDS))
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        module.main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m pipeline {name}")


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        check=False,
        capture_output=True,
        encoding="latin-1",
    )


def test_characters_that_the_terminal_lacks_are_escaped():
    ran = run("-m", "pipeline", "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "COMMAND \\u2026" in ran.stdout


@pytest.mark.parametrize(
    "way", [("-m", "pipeline.play"), ("-um", "pipeline.play"), ("-mpipeline.play",)]
)
def test_a_module_that_is_run_by_itself_names_the_command(way):
    ran = run(*way, "cartpole")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "pipeline.play does nothing by itself; run `python -m pipeline play`\n"


@pytest.mark.parametrize("arguments", [[], ["trian"]])
def test_without_a_stage_or_command_it_lists_them(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        module.main(arguments)
    assert "STAGE or COMMAND" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in (*module.STAGES, *module.COMMANDS))


def test_the_stages_of_dvc_are_those_of_the_command():
    stages = read_yaml(Path(__file__).parents[3] / "dvc.yaml")["stages"]
    assert list(stages) == ["sources", *module.STAGES, "report"]
