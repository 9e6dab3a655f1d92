"""Worker processes that perform the independent runs of a task in parallel.

A run's result depends only on its number, not on its worker or the worker's earlier runs. So the
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
from pipeline.task.task import Task

MAX_WORKERS = 8  # each loads TensorFlow, half a gigabyte

Result = TypeVar("Result")
# A value to report → the signal that requested the run to stop, if any.
Report = Callable[[Any], signal.Signals | None]
# A worker prepares a task once, then performs one run after another.
Perform = Callable[[int, Report], Result]
Prepare = Callable[[Task], Perform[Result]]


@dataclass(frozen=True)
class LazyPrepare:
    """A `Prepare` that imports TensorFlow and its function only in the process that calls it."""

    entry_point: str  # module:function
    arguments: tuple[Any, ...] = ()  # passed to the function after the task

    def __call__(self, task: Task) -> Perform[Any]:
        start_tensorflow()
        prepare: Callable[..., Perform[Any]] = pkgutil.resolve_name(self.entry_point)
        return prepare(task, *self.arguments)


def default_num_workers() -> int:
    """Return the number of cores that this process may use, up to 8; with an NVIDIA GPU, 1."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return min(os.cpu_count() or 1, MAX_WORKERS)


class _Failed(NamedTuple):
    """A worker's exception, with its traceback, which pickling would lose."""

    error: BaseException
    traceback: str


class _Reported(NamedTuple):
    run: int
    value: Any


class _Finished(NamedTuple):
    run: int
    result: Any


class _Stopped(NamedTuple):
    """A worker stopped on request."""


def perform_runs(
    task: Task,
    prepare: Prepare[Result],
    report: Callable[[int, Any], None] = lambda run, value: None,
    *,
    resumable: bool = False,
    useful_num_workers: int | None = None,
) -> list[Result]:
    """Perform all runs of a task.

    Args:
        task: The task. `task.num_workers` runs are performed in parallel; None: one per core, up to
            `useful_num_workers`. If `env.num_copies` is set, runs are performed one after another,
            since it limits the environment copies of all runs together.
        prepare: Called once in each worker: task → `perform(run, report) → result`. The function,
            results and reports must support pickling.
        report: Called in this process with the run's number and the value its worker reported.
            Defaults to ignoring it.
        resumable: True if runs can save their state. A signal to this process then requests runs to
            stop, and waits until they have saved it and raised `Interrupted`. Defaults to False:
            runs end at once.
        useful_num_workers: The number of workers that would stay busy for longer than they take to
            start, if known. Defaults to no limit.

    Returns:
        The results, in the order of the runs.

    Raises:
        Interrupted: If a stop was requested and all runs have stopped.
        ChildProcessError: If a worker died.
        Exception: The exception of the first worker that failed; the other workers are stopped.
    """
    num_runs = task.params.num_runs
    by_default = min(default_num_workers(), useful_num_workers or num_runs)
    num_workers = min(task.num_workers or by_default, num_runs)
    if task.params.env.num_copies is not None:
        num_workers = 1
    signals = STOP_SIGNALS if resumable else ()
    if num_workers > 1:
        with _workers(task, prepare, num_workers, signals) as (connections, interruption):
            results = _collect(connections, num_runs, report, interruption)
        return [results[run] for run in range(num_runs)]
    perform = prepare(task)
    with interruptible(signals) as interruption:

        def report_here(run: int, value: Any) -> signal.Signals | None:
            report(run, value)
            return interruption.number

        performed = []
        for run in range(num_runs):
            with task.locate_faults(run):
                performed.append(perform(run, partial(report_here, run)))
            interruption.raise_if_requested()
    return performed


def _collect(
    connections: list[Connection],
    num_runs: int,
    report: Callable[[int, Any], None],
    interruption: Interruption,
) -> dict[int, Any]:
    """Distribute the runs among the workers and return their results."""
    runs = iter(range(num_runs))
    results: dict[int, Any] = {}
    for connection in connections:
        _send(connection, next(runs))
    active = list(connections)
    while active and len(results) < num_runs:
        ready = wait(active)
        for connection in [c for c in connections if c in ready]:
            match _receive(connection, interruption):
                case _Reported(run, value):
                    report(run, value)
                case _Finished(run, result):
                    results[run] = result
                    if (following := next(runs, None)) is not None:
                        _send(connection, following)
                case _Stopped():
                    active.remove(connection)
    interruption.raise_if_requested()
    return results


def _send(connection: Connection, run: int) -> None:
    with suppress(ConnectionError):  # `_receive` reports workers that have died
        connection.send(run)


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
    """Perform the runs received over a connection until this worker is stopped.

    SIGTERM ends the worker at once, unless it is performing a resumable run.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent receives them too, and handles them
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        perform = prepare(task)
        while True:
            run = connection.recv()
            with interruptible([signal.SIGTERM] if resumable else []) as interruption:
                with task.locate_faults(run):
                    result = perform(run, partial(_report, connection, interruption, run))
                connection.send(_Finished(run, result))
            if interruption.number is not None:
                return
    except (EOFError, BrokenPipeError):
        return
    except Interrupted:
        connection.send(_Stopped())
    except BaseException as error:
        connection.send(_Failed(error, traceback.format_exc()))


def _report(
    connection: Connection, interruption: Interruption, run: int, value: Any
) -> signal.Signals | None:
    connection.send(_Reported(run, value))
    return interruption.number


def _end_with_parent() -> None:
    """End this process when its parent dies, for example of SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
