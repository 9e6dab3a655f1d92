"""Runs in parallel workers; the tasks here need no TensorFlow."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.runs import workers
from pipeline.runs.workers import MAX_WORKERS, default_num_workers, open_workers, perform_runs
from pipeline.task.errors import UserError
from tests.pipeline.signals import restore_stop_signals


def task(num_runs, num_workers, num_copies=None, **fields):
    params = SimpleNamespace(num_runs=num_runs, env=SimpleNamespace(num_copies=num_copies))
    return SimpleNamespace(
        params=params, num_workers=num_workers, locate_faults=nullcontext, **fields
    )


def square(_task):
    prepared = os.getpid()

    def perform(run, report):
        report(("started", run))
        report(("finished", run))
        return run**2, prepared, os.getpid()

    return perform


@pytest.mark.parametrize(
    ("num_runs", "num_workers", "num_processes"), [(3, 1, 1), (5, 2, 2), (2, 8, 2), (1, 8, 1)]
)
def test_results_come_run_by_run_from_as_many_processes(num_runs, num_workers, num_processes):
    reports = []
    results = perform_runs(task(num_runs, num_workers), square, lambda *r: reports.append(r))
    assert [result for result, *_ in results] == [run**2 for run in range(num_runs)]
    assert all(prepared == performed for _, prepared, performed in results)
    processes = {performed for *_, performed in results}
    assert len(processes) <= num_processes  # a quick worker may perform all runs
    assert (os.getpid() in processes) == (num_processes == 1)
    for run in range(num_runs):
        values = [value for reported, value in reports if reported == run]
        assert values == [("started", run), ("finished", run)]


def test_one_run_after_the_other_where_copies_are_limited():
    results = perform_runs(task(3, num_workers=2, num_copies=8), square)
    assert {performed for *_, performed in results} == {os.getpid()}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_perform_several_lists_of_jobs_of_any_length(num_workers):
    reports = []
    with open_workers(task(1, num_workers), square) as perform_all:
        for jobs in ([3, 4, 5], [], [6]):
            results = perform_all(jobs, lambda *r: reports.append(r))
            assert [result for result, *_ in results] == [job**2 for job in jobs]
    assert sorted(reports[:6]) == sorted(
        (index, (word, index + 3)) for index in range(3) for word in ("started", "finished")
    )
    assert reports[6:] == [(0, ("started", 6)), (0, ("finished", 6))]


def wait_for_each_other(task):
    def perform(run, _report):
        (task.folder / str(run)).touch()
        while not all((task.folder / str(other)).exists() for other in range(2)):
            time.sleep(0.01)
        return os.getpid()

    return perform


def test_two_runs_are_performed_at_the_same_time(tmp_path):
    first, second = perform_runs(task(2, 2, folder=tmp_path), wait_for_each_other)
    assert first != second


def fail_in_run_1(_task):
    def perform(run, _report):
        if run == 1:
            raise UserError("run 1 has failed")
        time.sleep(600)

    return perform


def test_a_mistake_in_one_run_stops_the_others():
    with pytest.raises(UserError, match="run 1 has failed"):
        perform_runs(task(2, 2), fail_in_run_1)


def refuse(_task):
    raise UserError("nothing to prepare")


def test_a_mistake_before_the_first_run_is_raised_too():
    with pytest.raises(UserError, match="nothing to prepare"):
        perform_runs(task(2, 2), refuse)


def die(_task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_an_error():
    with pytest.raises(ChildProcessError, match="a worker process died; .* num_workers: 1"):
        perform_runs(task(2, 2), die)


def sleep(task):
    def perform(_run, _report):
        (task.folder / f"{os.getpid()}").touch()
        time.sleep(600)

    return perform


def is_running(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # Z: a zombie, not yet reaped


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(sent, tmp_path):
    command = (
        "from pathlib import Path\n"
        "from pipeline.runs.workers import perform_runs\n"
        "from tests.pipeline.runs.test_workers import sleep, task\n"
        f"perform_runs(task(2, 2, folder=Path({str(tmp_path)!r})), sleep)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.DEVNULL,
        preexec_fn=restore_stop_signals,
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.send_signal(sent)
    parent.wait()
    workers = [path.name for path in tmp_path.iterdir()]
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_by_default_there_is_one_worker_per_core():
    assert 1 <= default_num_workers() <= min(MAX_WORKERS, os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("num_workers", "useful_num_workers", "expected"),
    [(None, None, 3), (None, 2, 2), (None, 9, 3), (2, 1, 2), (2, None, 2)],
)
def test_no_more_workers_than_are_useful_unless_params_say_so(
    num_workers, useful_num_workers, expected, monkeypatch
):
    started = []

    @contextmanager
    def start_workers(_task, _prepare, number, _signals):
        started.append(number)
        yield [], None

    monkeypatch.setattr(workers, "default_num_workers", lambda: 3)
    monkeypatch.setattr(workers, "_workers", start_workers)
    monkeypatch.setattr(workers, "_collect", lambda *_: dict.fromkeys(range(5)))
    perform_runs(task(5, num_workers), square, useful_num_workers=useful_num_workers)
    assert started == [expected]
