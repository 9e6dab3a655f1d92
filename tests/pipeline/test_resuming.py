"""A training that is stopped anywhere goes on, and ends with the bits of an unbroken one."""

import os
import signal
import time

import numpy as np
import pytest

from pipeline.process.interruption import Interrupted
from pipeline.runs import lock
from pipeline.runs.checkpoints import Checkpoints
from pipeline.task.errors import UserError
from pipeline.train import train
from pipeline.train_run import prepare_training
from reinforce import train as module
from reinforce.records import UpdateRecord
from tests.pipeline.resuming import TASKS, prepared, start_training, trained

# Updates after which a run can stop. The compiled program's calls differ in how many they make.
STOPS = {"compiled": [1, 33, 65, 97, 100], "gymnasium": list(range(1, 21))}


@pytest.fixture(scope="module", params=TASKS)
def training(request, tmp_path_factory):
    """A task, and what trains its runs (compiled once)."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(module, "choose_updates_per_call", lambda *_: 32)
        task = prepared(folder, request.param)
        checkpoints = Checkpoints(folder / "runs", key="any", seconds=0)
        yield request.param, checkpoints, prepare_training(task, checkpoints, folder / "logs")


@pytest.fixture(scope="module")
def unbroken(training):
    """Run 1, trained in one go."""
    _, checkpoints, perform = training
    run = perform(1, lambda _: None)
    checkpoints.remove()
    return run


def assert_same_bits(received, expected):
    for name in ("records", "distribution", "weights"):
        np.testing.assert_equal(getattr(received, name), getattr(expected, name), strict=True)


def stop_after(perform, num_updates):
    """Asks run 1 to stop when it has reported so many updates; returns where it does."""
    records = []

    def report(record):
        records.append(record)
        return signal.SIGTERM if len(records) >= num_updates else None

    with pytest.raises(Interrupted, match="run 1 stopped after"):
        perform(1, report)
    return len(records)


@pytest.mark.parametrize("num_updates", [1, 5, 19])
def test_it_goes_on_from_any_checkpoint_to_the_same_bits(num_updates, training, unbroken):
    name, checkpoints, perform = training
    stopped = stop_after(perform, num_updates)
    assert stopped == min(stop for stop in STOPS[name] if stop >= num_updates)
    perform(0, lambda _: None)  # another run, which leaves other weights and moments behind
    reported: list[UpdateRecord] = []
    run = perform(1, reported.append)
    checkpoints.remove()
    assert_same_bits(run, unbroken)
    np.testing.assert_equal(reported, unbroken.records)


def test_it_is_stopped_again_and_again(training, unbroken):
    _, checkpoints, perform = training
    for stop in (1, 5, 19):
        assert stop_after(perform, stop) >= stop
    run = perform(1, lambda _: None)
    np.testing.assert_equal(perform(1, lambda _: None), run)  # it had been finished
    checkpoints.remove()
    assert_same_bits(run, unbroken)


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:900] + b"?" + b[901:]]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage, training, unbroken, capsys):
    name, checkpoints, perform = training
    stop_after(perform, STOPS[name][2])
    path = checkpoints.folder / "1.npz"
    path.write_bytes(damage(path.read_bytes()))
    saved = checkpoints.read(1, quiet=False)
    assert saved.num_updates == STOPS[name][1]
    assert capsys.readouterr().err.startswith(f"{path}: ignoring a damaged checkpoint: ")
    run = perform(1, lambda _: None)
    checkpoints.remove()
    assert_same_bits(run, unbroken)


def wait_for_checkpoint(folder, process, name):
    deadline = time.monotonic() + 120
    while not list((folder / "checkpoints" / name / "runs").glob("?.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A task, its folder and what it gives unbroken."""
    folder = tmp_path_factory.mktemp("attacked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        task = prepared(folder, "gymnasium")  # which starts faster
        expected = trained(task)
        assert not task.checkpoints.exists()
    return task, folder, expected


@pytest.mark.parametrize(("sent", "num_workers"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1)])
def test_a_killed_process_is_continued_by_the_next(
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
        assert acknowledged.startswith("interrupted: will stop after saving a checkpoint")
        assert stopped.startswith(f"{name}: interrupted at ")
        assert stopped.endswith(" of 2 × 80 episodes; `dvc repro` continues there")
    capsys.readouterr()
    assert trained(task) == expected
    assert capsys.readouterr().out.startswith(f"{name}: continues at ")
