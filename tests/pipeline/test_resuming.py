"""Resuming an interrupted training, which must give the same bits as an uninterrupted one."""

import os
import signal
import time

import numpy as np
import pytest

from pipeline.process.interruption import Interrupted
from pipeline.runs import lock
from pipeline.runs.checkpoints import Checkpoints, RunCheckpoint, open_checkpoints
from pipeline.task.errors import UserError
from pipeline.train import train
from pipeline.train_run import prepare_training
from reinforce import train as module
from reinforce.records import UpdateRecord
from tests.pipeline.resuming import TASKS, prepared, start_training, trained

# The numbers of updates after which a run can stop. Compiled calls make up to 32 updates.
STOPS = {"compiled": [1, 33, 65, 97, 100], "gymnasium": list(range(1, 21))}


@pytest.fixture(scope="module", params=TASKS)
def training(request, tmp_path_factory):
    """Yield a task's name, its checkpoints, and a function that trains its runs."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(module, "choose_updates_per_call", lambda *_: 32)
        task = prepared(folder, request.param)
        checkpoints = Checkpoints(folder / "runs", key="any", seconds=0)
        yield request.param, checkpoints, prepare_training(task, checkpoints, folder / "logs")


@pytest.fixture(scope="module")
def uninterrupted(training):
    """Train run 1 without interruption."""
    _, checkpoints, perform = training
    run = perform(1, lambda _: None)
    checkpoints.remove()
    return run


def assert_same_bits(received, expected):
    for name in ("records", "distribution", "weights"):
        np.testing.assert_equal(getattr(received, name), getattr(expected, name), strict=True)


def stop_after(perform, num_updates):
    """Request a stop of run 1 after some updates; return the number that it completed."""
    records = []

    def report(record):
        records.append(record)
        return signal.SIGTERM if len(records) >= num_updates else None

    with pytest.raises(Interrupted, match="run 1 stopped after"):
        perform(1, report)
    return len(records)


@pytest.mark.parametrize("num_updates", [1, 5, 19])
def test_resuming_from_any_checkpoint_gives_the_same_bits(num_updates, training, uninterrupted):
    name, checkpoints, perform = training
    stopped = stop_after(perform, num_updates)
    assert stopped == min(stop for stop in STOPS[name] if stop >= num_updates)
    perform(0, lambda _: None)  # another run changes the weights and moments
    reported: list[UpdateRecord] = []
    run = perform(1, reported.append)
    checkpoints.remove()
    assert_same_bits(run, uninterrupted)
    np.testing.assert_equal(reported, uninterrupted.records)


def test_a_run_can_be_stopped_repeatedly(training, uninterrupted):
    _, checkpoints, perform = training
    for stop in (1, 5, 19):
        assert stop_after(perform, stop) >= stop
    run = perform(1, lambda _: None)
    np.testing.assert_equal(perform(1, lambda _: None), run)  # the run is already finished
    checkpoints.remove()
    assert_same_bits(run, uninterrupted)


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:900] + b"?" + b[901:]]
)
def test_a_damaged_checkpoint_falls_back_to_the_previous_one(
    damage, training, uninterrupted, capsys
):
    name, checkpoints, perform = training
    stop_after(perform, STOPS[name][2])
    path = checkpoints.folder / "1.npz"
    path.write_bytes(damage(path.read_bytes()))
    saved = checkpoints.read(1, quiet=False)
    assert saved.num_updates == STOPS[name][1]
    assert capsys.readouterr().err.startswith(f"{path}: ignoring a damaged checkpoint: ")
    run = perform(1, lambda _: None)
    checkpoints.remove()
    assert_same_bits(run, uninterrupted)


def open_with(folder, gamma):
    return open_checkpoints(folder, {"train": {"gamma": gamma}}, seconds=0)


def test_only_checkpoints_that_exist_are_set_aside(tmp_path, capsys):
    with open_with(tmp_path, 1.0):
        pass  # interrupted before the first checkpoint
    with open_with(tmp_path, 0.9) as checkpoints:
        assert capsys.readouterr().err == ""
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["runs"]
        record = UpdateRecord(0, 2, 2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.zeros(1))
        checkpoints.write(0, RunCheckpoint([record], {}))
    with open_with(tmp_path, 0.8) as checkpoints:
        assert capsys.readouterr().err == (
            f"{tmp_path}/runs: train.gamma changed; training starts over, and the old checkpoints "
            f"are in {tmp_path}/set_aside\n"
        )
        assert checkpoints.read(0) is None
        assert (tmp_path / "set_aside" / "0.npz").exists()


def test_training_interrupted_before_the_first_update_has_nothing_to_resume(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise Interrupted("interrupted by SIGTERM", signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    task = prepared(tmp_path, "gymnasium")
    monkeypatch.setattr("pipeline.train.perform_runs", interrupt)
    with pytest.raises(Interrupted) as caught:
        train(task)
    assert str(caught.value) == (
        "gymnasium: interrupted before the first update; nothing to resume"
    )
    assert caught.value.number == signal.SIGTERM


def wait_for_checkpoint(folder, process, name):
    deadline = time.monotonic() + 120
    while not list((folder / "checkpoints" / name / "runs").glob("?.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Return a task, its folder, and its results without interruption."""
    folder = tmp_path_factory.mktemp("attacked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        task = prepared(folder, "gymnasium")  # it starts faster
        expected = trained(task)
        assert not task.checkpoints.exists()
    return task, folder, expected


@pytest.mark.parametrize(("sent", "num_workers"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1)])
def test_training_resumes_after_its_process_is_killed(
    sent, num_workers, attacked, monkeypatch, capsys
):
    task, folder, expected = attacked
    name = task.name
    monkeypatch.chdir(folder)
    for path in (task.files.final_weights, task.files.learning_curve):
        path.unlink()
    process = start_training(folder, name, num_workers)
    wait_for_checkpoint(folder, process, name)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.05)
    with pytest.raises(
        UserError, match=rf"lock: held by process {process.pid}, which has been training"
    ):
        train(task)
    os.kill(process.pid, sent)
    out, err = process.communicate()
    if sent == signal.SIGKILL:
        assert process.returncode == -sent
    else:
        assert (process.returncode, out) == (128 + sent, "")
        *_, acknowledged, stopped = err.splitlines()  # progress comes first if it took 30 seconds
        assert acknowledged.startswith("interrupted: stopping as soon as progress is saved")
        assert stopped.startswith(f"{name}: interrupted at ")
        assert stopped.endswith(" of 160 episodes (2 runs); `dvc repro` resumes there")
    capsys.readouterr()
    assert trained(task) == expected
    assert capsys.readouterr().out.startswith(f"{name}: resuming at ")
