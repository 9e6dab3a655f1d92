"""The command `try`."""

import copy
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.rollout import rollout
from pipeline.task.artifacts import read_table
from pipeline.task.task import load_task
from pipeline.train import train
from pipeline.trials.run_values import prepare_runs
from pipeline.trials.values import make_candidates
from pipeline.try_values import main
from tests.pipeline.signals import restore_stop_signals
from tests.pipeline.small_task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[2]
COMPILED = copy.deepcopy(BANDIT)
COMPILED["env"]["backend"] = "compiled"


def test_records_are_those_of_stage_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_params(tmp_path, bandit=COMPILED)
    candidates = make_candidates(path, "bandit", ["learning_rate=0.01,0.1", "gamma=0.9"])
    tasks = [candidate.task for candidate in candidates]
    perform = prepare_runs(tasks[0], tasks)
    runs = [perform(job, lambda _: None) for job in range(4)]
    assert list(tmp_path.iterdir()) == [path]
    task = load_task(path, "bandit", candidates[1].overrides)
    rollout(task)
    train(task)
    columns = ("num_env_steps", "mean_return", "loss", "entropy", "gradient_norm")
    curve = read_table(task.files.learning_curve, columns)
    records = [record for run in runs[2:] for record in run.records]
    for column in columns:
        values = [float(f"{getattr(record, column):.9g}") for record in records]
        np.testing.assert_array_equal(curve[column], values)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_values_are_tried_and_only_a_picture_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exploding = copy.deepcopy(BANDIT)
    exploding["env"]["kwargs"] = {"payouts": [1e37, 3e37]}
    exploding["train"] |= {"baseline": "none", "optimizer": "sgd", "learning_rate": 10.0}
    path = write_params(tmp_path, task=exploding)
    main(["task", "reward_scale=1,1e-30", "--picture", "try.png", "runs=3"])
    out = capsys.readouterr().out
    assert out.startswith("reward_scale=1: 3 of 3 runs diverged\nreward_scale=1e-30: mean return")
    assert "\n1             3     diverged (3)" in out
    assert "    dvc exp run -S +tasks.task.train.reward_scale=1e-30\n" in out
    assert out.endswith("try.png: learning curves\n")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "try.png"]


def test_ctrl_c_leaves_the_table_on_the_terminal(tmp_path):
    write_params(tmp_path, bandit=BANDIT)
    terminal, stdout = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "try", "bandit", "learning_rate=0.01,0.02"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "xterm"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=restore_stop_signals,
    )
    os.close(stdout)
    shown = ""
    while "starting TensorFlow" not in shown:
        shown += os.read(terminal, 4096).decode()
    time.sleep(0.2)  # the import begins
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == b"interrupted\n"
    assert process.returncode == 130
    assert shown.rindex("0.02") > shown.rindex("0.01") > shown.rindex("mean return")
    os.close(terminal)
