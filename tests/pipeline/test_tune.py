"""The command tune, on a small task."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("optuna")

from pipeline import tune
from pipeline.task.task import load_task
from pipeline.task.validation import load_params
from pipeline.trials.ranges import check_ranges, default_ranges
from tests.pipeline.signals import restore_stop_signals
from tests.pipeline.small_task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[2]
TUNE = {
    "learning_rate": {"low": 0.001, "high": 1.0, "log": True},
    "gamma": {"low": 0.5, "high": 1.0},
}
ARGUMENTS = ["bandit", "--trials", "12", "--runs", "3"]


def write(folder, num_workers=1, **ranges):
    """Write a params.yaml with ranges."""
    path = write_params(folder, bandit=BANDIT)
    lines = ["tune:", "  bandit:", *(f"    {name}: {value}" for name, value in ranges.items())]
    text = path.read_text().replace("num_workers: 1", f"num_workers: {num_workers}")
    path.write_text("\n".join([text, *lines, ""]).replace("True", "true"))
    return path


def printed(capsys):
    """Return what was printed, without the seconds."""
    text = capsys.readouterr().out
    return "\n".join(line.partition("; ")[0] for line in text.splitlines())


def test_the_command_prints_a_ranking_and_repeats_to_the_bit(tmp_path, monkeypatch, capsys):
    results = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        write(folder, **TUNE)
        tune.main(ARGUMENTS)
        results.append((printed(capsys), Path("report/tune.png").read_bytes()))
    assert results[0] == results[1]
    text = results[0][0]
    assert text.startswith("bandit: candidates: 12, runs: ")
    assert "   learning_rate  gamma  runs  final return" in text
    assert "The values in params.yaml: learning_rate=0.05, gamma=1.0" in text
    assert "dvc exp run -S tasks.bandit.train.learning_rate=" in text
    with Image.open("report/tune.png") as image:
        assert image.width == 900

    tune.main(ARGUMENTS)  # all candidates have been trained
    assert printed(capsys) == text
    write(folder, **TUNE | {"gamma": {"low": 0.6, "high": 1.0}})
    tune.main(["bandit", "--trials", "1", "--runs", "1"])  # other ranges: another search
    assert printed(capsys).startswith("bandit: candidates: 1, runs: 1, ")


def start(folder, *arguments):
    """Start the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "tune", "bandit", "--runs", "3", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_stop_signals,
    )


def test_a_search_in_workers_ends_in_order_after_ctrl_c(tmp_path):
    write(tmp_path, num_workers=2, **TUNE)
    with start(tmp_path, "--trials", "10000") as process:
        assert process.stderr is not None
        assert any("best so far" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "final return" in out
    assert errors.splitlines()[-1] == "bandit: interrupted; the next `tune` continues the search"
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"gamma": {"low": 0.9, "high": 1.5}},
            "tune.bandit: gamma=1.5: tasks.bandit.train.gamma: ",
        ),
        ({"gamma": {"low": 0.9}}, "tune.bandit.gamma: expected a range, such as {low: 0.9, high:"),
        ({"gamma": {"low": 0.9, "high": 0.9}}, "tune.bandit.gamma: expected a range, such as"),
        ({"gamma": {"low": 0, "high": 1, "log": True}}, "tune.bandit.gamma: expected a range"),
        ({"gamma": [0.9]}, "tune.bandit.gamma: expected a range, such as {low: 0.9, high: 0.999}"),
        ({"gama": [0.9, 1.0]}, "tune.bandit: gama: expected one of env, policy, rollout, train,"),
        ({"env.id": ["a", "b"]}, "tune.bandit: expected no parameter of env, since returns"),
        (
            {"policy.bounded_actions": ["clip", "squash"]},
            "tune.bandit: policy.bounded_actions=squa",
        ),
    ],
)
def test_mistakes_in_the_ranges_are_reported_before_anything_starts(
    ranges, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, **ranges)
    with pytest.raises(SystemExit) as stop:
        tune.main(["bandit"])
    assert str(stop.value.code).startswith(f"params.yaml: {message}")
    assert not Path("tuning").exists()


def test_an_unknown_task_in_the_ranges_is_a_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, **TUNE)
    path.write_text(path.read_text() + "  band: {gamma: [0.9, 1.0]}\n")
    with pytest.raises(SystemExit, match="tune: expected the name of a task, one of bandit, rec"):
        tune.main(["bandit"])


def test_without_optuna_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, **TUNE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="expected Optuna, which is not installed; `make setup`"):
        tune.main(["bandit"])


def test_every_task_has_valid_default_ranges():
    for file in ("params.yaml", "params-classic.yaml"):
        for name in load_params(REPOSITORY / file).tasks:
            task = load_task(REPOSITORY / file, name)
            check_ranges(task, default_ranges(task.params))
