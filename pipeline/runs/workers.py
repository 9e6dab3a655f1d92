"""Worker processes that perform independent jobs of a task, such as its runs, in parallel.

A job's result depends only on its number, not on its worker or the worker's earlier jobs. So the
results are the same with any number of workers.
"""

import multiprocessing
import os
import pkgutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pipeline.process.interruption import STOP_SIGNALS, Interrupted, Interruption, interruptible
from pipeline.process.start import start_tensorflow
from pipeline.process.xla_cache import keep_programs
from pipeline.task.task import Task

MAX_WORKERS = 8  # each loads TensorFlow, half a gigabyte
# A compiled environment runs this many steps in the time another worker needs to start and compile.
MIN_ENV_STEPS_PER_WORKER = 2_000_000

Result = TypeVar("Result")
# A value to report → the signal that requested the job to stop, if any.
Report = Callable[[Any], signal.Signals | None]
# A worker prepares a task once, then performs one job after another. A job is a number unless
# `open_workers` is used directly.
Perform = Callable[[Any, Report], Result]
Prepare = Callable[[Task], Perform[Result]]
# Performs a list of jobs; the other argument is called with a job's index and a value it reports.
PerformAll = Callable[[Sequence[Any], Callable[[int, Any], None]], list[Result]]


@dataclass(frozen=True)
class LazyPrepare:
    """A `Prepare` that imports TensorFlow and its function only in the process that calls it."""

    entry_point: str  # module:function
    arguments: tuple[Any, ...] = ()  # passed to the function after the task

    def __call__(self, task: Task) -> Perform[Any]:
        start_tensorflow()
        prepare: Callable[..., Perform[Any]] = pkgutil.resolve_name(self.entry_point)
        perform = prepare(task, *self.arguments)
        keep_programs()
        return perform


def default_num_workers() -> int:
    """Return the number of cores that this process may use, up to 8; with an NVIDIA GPU, 1."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return min(os.cpu_count() or 1, MAX_WORKERS)


def useful_workers(tasks: Sequence[Task]) -> int | None:
    """Return the maximum number of workers worth starting to train tasks; None for no limit."""
    if not all(task.is_compiled for task in tasks):
        return None
    max_env_steps = sum(task.params.num_runs * _max_env_steps(task) for task in tasks)
    return max(1, max_env_steps // MIN_ENV_STEPS_PER_WORKER)


def _max_env_steps(task: Task) -> int:
    """Return the maximum number of env steps of a run."""
    train, limit = task.params.train, task.specification.max_episode_steps
    return train.num_env_steps or (train.num_episodes or 0) * limit


class _Failed(NamedTuple):
    """A worker's exception, with its traceback, which pickling would lose."""

    error: BaseException
    traceback: str


class _Reported(NamedTuple):
    job: int  # its index
    value: Any


class _Finished(NamedTuple):
    job: int
    result: Any


class _Stopped(NamedTuple):
    """A worker stopped on request."""


@dataclass(frozen=True)
class _LocateFaults:
    """A `Prepare` whose runs prefix the faults of environments."""

    prepare: Prepare[Any]

    def __call__(self, task: Task) -> Perform[Any]:
        perform = self.prepare(task)

        def located(run: int, report: Report) -> Any:
            with task.locate_faults(run):
                return perform(run, report)

        return located


def perform_runs(
    task: Task,
    prepare: Prepare[Result],
    report: Callable[[int, Any], None] = lambda run, value: None,
    *,
    resumable: bool = False,
    useful_num_workers: int | None = None,
) -> list[Result]:
    """Perform all runs of a task; see `perform_jobs`, whose jobs are the runs."""
    return perform_jobs(
        task,
        _LocateFaults(prepare),
        task.params.num_runs,
        report,
        resumable=resumable,
        useful_num_workers=useful_num_workers,
    )


def perform_jobs(
    task: Task,
    prepare: Prepare[Result],
    num_jobs: int,
    report: Callable[[int, Any], None] = lambda job, value: None,
    *,
    resumable: bool = False,
    useful_num_workers: int | None = None,
) -> list[Result]:
    """Perform jobs that belong to a task, such as its runs.

    Args:
        task: The task. `task.num_workers` jobs are performed in parallel; None: one per core, up to
            `useful_num_workers`. If `env.num_copies` is set, jobs are performed one after another,
            since it limits the environment copies of all jobs together.
        prepare: Called once in each worker: task → `perform(job, report) → result`. The function,
            results and reports must support pickling.
        num_jobs: Number of jobs; they are numbered from 0.
        report: Called in this process with the job's number and the value its worker reported.
            Defaults to ignoring it.
        resumable: True if jobs can save their state. A signal to this process then requests jobs to
            stop, and waits until they have saved it and raised `Interrupted`. Defaults to False:
            jobs end at once.
        useful_num_workers: The number of workers that would stay busy for longer than they take to
            start, if known. Defaults to no limit.

    Returns:
        The results, in the order of the jobs.

    Raises:
        Interrupted: If a stop was requested and all jobs have stopped.
        ChildProcessError: If a worker died.
        Exception: The exception of the first worker that failed; the other workers are stopped.
    """
    by_default = min(default_num_workers(), useful_num_workers or num_jobs)
    num_workers = min(task.num_workers or by_default, num_jobs)
    with open_workers(task, prepare, num_workers, resumable=resumable) as perform_all:
        return perform_all(range(num_jobs), report)


@contextmanager
def open_workers(
    task: Task,
    prepare: Prepare[Result],
    num_workers: int | None = None,
    *,
    resumable: bool = False,
) -> Iterator[PerformAll[Result]]:
    """Start workers that perform lists of jobs while the context is open.

    Args:
        task: The task. If `env.num_copies` is set, there is one worker; see `perform_jobs`.
        prepare: See `perform_jobs`. A job is any value that supports pickling.
        num_workers: Number of workers; 1: jobs are performed in this process. Defaults to
            `task.num_workers`, or else to one per core.
        resumable: See `perform_jobs`.

    Yields:
        A function that performs a list of jobs and returns their results in the same order. It
        raises the errors of `perform_jobs`.
    """
    num_workers = num_workers or task.num_workers or default_num_workers()
    if task.params.env.num_copies is not None:
        num_workers = 1
    signals = STOP_SIGNALS if resumable else ()
    if num_workers > 1:
        with _workers(task, prepare, num_workers, signals) as (connections, interruption):
            yield lambda jobs, report: _collect(connections, jobs, report, interruption)
        return
    perform = prepare(task)
    with interruptible(signals) as interruption:

        def perform_here(jobs: Sequence[Any], report: Callable[[int, Any], None]) -> list[Result]:
            def report_here(index: int, value: Any) -> signal.Signals | None:
                report(index, value)
                return interruption.number

            performed = []
            for index, job in enumerate(jobs):
                performed.append(perform(job, partial(report_here, index)))
                interruption.raise_if_requested()
            return performed

        yield perform_here


def _collect(
    connections: list[Connection],
    jobs: Sequence[Any],
    report: Callable[[int, Any], None],
    interruption: Interruption,
) -> list[Any]:
    """Distribute the jobs among the workers and return their results."""
    waiting = enumerate(jobs)
    results: dict[int, Any] = {}
    for connection, job in zip(connections, waiting, strict=False):
        _send(connection, job)
    active = list(connections)
    while active and len(results) < len(jobs):
        ready = wait(active)
        for connection in [c for c in connections if c in ready]:
            match _receive(connection, interruption):
                case _Reported(index, value):
                    report(index, value)
                case _Finished(index, result):
                    results[index] = result
                    if (following := next(waiting, None)) is not None:
                        _send(connection, following)
                case _Stopped():
                    active.remove(connection)
    interruption.raise_if_requested()
    return [results[index] for index in range(len(jobs))]


def _send(connection: Connection, job: tuple[int, Any]) -> None:
    with suppress(ConnectionError):  # `_receive` reports workers that have died
        connection.send(job)


def _receive(
    connection: Connection, interruption: Interruption
) -> _Reported | _Finished | _Stopped:
    try:
        message = connection.recv()
    except (EOFError, ConnectionError) as error:
        if interruption.number is not None:  # the worker had nothing to save
            return _Stopped()
        raise ChildProcessError(
            "a worker process died; if it ran out of memory, set num_workers: 1 in params.yaml"
        ) from error
    if isinstance(message, _Failed):
        raise message.error from RuntimeError(f"in a worker:\n{message.traceback}")
    if isinstance(message, _Stopped) and interruption.number is None:
        raise ChildProcessError("a worker process received SIGTERM from another process")
    return message


@contextmanager
def _workers(
    task: Task, prepare: Prepare, num_workers: int, signals: Sequence[signal.Signals]
) -> Iterator[tuple[list[Connection], Interruption]]:
    """Start workers that run while the context is open; kill them when it closes.

    If this process receives one of `signals`, it sends SIGTERM to the workers.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    processes: list[BaseProcess] = []

    def request_stop() -> None:
        for process in processes:
            process.terminate()

    with interruptible(signals, request_stop) as interruption, ExitStack() as stack:
        connections = []
        for _ in range(num_workers):
            here, there = context.Pipe()
            process = context.Process(
                target=_work, args=(task, prepare, there, bool(signals)), daemon=True
            )
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(process.kill)
            processes.append(process)
            connections.append(here)
        if interruption.number is not None:
            request_stop()  # of the workers started after the signal
        yield connections, interruption


def _work(task: Task, prepare: Prepare, connection: Connection, resumable: bool) -> None:
    """Perform the jobs received over a connection until this worker is stopped.

    SIGTERM ends the worker at once, unless it is performing a resumable job.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent receives them too, and handles them
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        perform = prepare(task)
        while True:
            index, job = connection.recv()
            with interruptible([signal.SIGTERM] if resumable else []) as interruption:
                result = perform(job, partial(_report, connection, interruption, index))
                connection.send(_Finished(index, result))
            if interruption.number is not None:
                return
    except (EOFError, BrokenPipeError):
        return
    except Interrupted:
        connection.send(_Stopped())
    except BaseException as error:
        connection.send(_Failed(error, traceback.format_exc()))


def _report(
    connection: Connection, interruption: Interruption, index: int, value: Any
) -> signal.Signals | None:
    connection.send(_Reported(index, value))
    return interruption.number


def _end_with_parent() -> None:
    """End this process when its parent dies, for example of SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
