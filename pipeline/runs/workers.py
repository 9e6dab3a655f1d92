"""The independent runs of a task side by side, in processes of their own.

A run's result depends on its number and nothing else: neither on the process that performs it nor
on the runs before it there. So it is the same with any number of workers.
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

MAX_WORKERS = 8  # each has TensorFlow's half gigabyte of its own

Result = TypeVar("Result")
# What is told → the signal by which the run has been asked to stop, if it has.
Report = Callable[[Any], signal.Signals | None]
# What a worker is made for: prepares a task once, then performs one run after the other.
Perform = Callable[[int, Report], Result]
Prepare = Callable[[Task], Perform[Result]]


@dataclass(frozen=True)
class Prepared:
    """A function that needs TensorFlow, by its name: only the process that calls it imports both.

    Calling it with a task calls the function with the task and the arguments.
    """

    entry_point: str  # module:function
    arguments: tuple[Any, ...] = ()

    def __call__(self, task: Task) -> Perform[Any]:
        start_tensorflow()
        prepare: Callable[..., Perform[Any]] = pkgutil.resolve_name(self.entry_point)
        return prepare(task, *self.arguments)


def default_num_workers() -> int:
    """Count the cores that this process may use, 8 at most; with an NVIDIA GPU, 1."""
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
    """A worker was asked to stop, and has."""


def perform_runs(
    task: Task,
    prepare: Prepare[Result],
    report: Callable[[int, Any], None] = lambda run, value: None,
    *,
    continuable: bool = False,
    worthwhile: int | None = None,
) -> list[Result]:
    """Perform all runs of a task.

    Args:
        task: The task; `task.num_workers` runs are performed at a time. None: as many as there are
            cores, but not more than are worthwhile. One where `env.num_copies` is set, which
            limits the copies of all runs together.
        prepare: Called once in each worker: task → `perform(run, report) → result`. It, results and
            reports can be pickled.
        report: Called here with the number of the run and what its worker reported.
            Defaults to ignoring it.
        continuable: Whether a run that is asked to stop, by a signal to this process, is waited
            for: it saves how far it has come and raises `Interrupted` as soon as it can. Defaults
            to no: runs end at once.
        worthwhile: How many processes are busy for longer than they take to start, where that is
            known. Defaults to any number.

    Returns:
        The results, run by run.

    Raises:
        Interrupted: If this process was asked to stop, and all runs have.
        ChildProcessError: If a worker died.
        Exception: What the first worker to fail raised; the others are stopped.
    """
    num_runs = task.params.num_runs
    by_default = min(default_num_workers(), worthwhile or num_runs)
    num_workers = min(task.num_workers or by_default, num_runs)
    if task.params.env.num_copies is not None:
        num_workers = 1
    signals = STOP_SIGNALS if continuable else ()
    if num_workers > 1:
        with _workers(task, prepare, num_workers, signals) as (connections, interruption):
            results = _collect(connections, num_runs, report, interruption)
        return [results[run] for run in range(num_runs)]
    perform = prepare(task)
    with interruptible(signals) as interruption:

        def tell(run: int, value: Any) -> signal.Signals | None:
            report(run, value)
            return interruption.number

        performed = []
        for run in range(num_runs):
            with task.located_in_run(run):
                performed.append(perform(run, partial(tell, run)))
            interruption.raise_if_requested()
    return performed


def _collect(
    connections: list[Connection],
    num_runs: int,
    report: Callable[[int, Any], None],
    interruption: Interruption,
) -> dict[int, Any]:
    """Deal the runs out to the workers; return their results."""
    runs = iter(range(num_runs))
    results: dict[int, Any] = {}
    for connection in connections:
        _send(connection, next(runs))
    at_work = list(connections)
    while at_work and len(results) < num_runs:
        ready = wait(at_work)
        for connection in [c for c in connections if c in ready]:
            match _receive(connection, interruption):
                case _Reported(run, value):
                    report(run, value)
                case _Finished(run, result):
                    results[run] = result
                    if (following := next(runs, None)) is not None:
                        _send(connection, following)
                case _Stopped():
                    at_work.remove(connection)
    interruption.raise_if_requested()
    return results


def _send(connection: Connection, run: int) -> None:
    with suppress(ConnectionError):  # a worker that has died is noticed when it is listened to
        connection.send(run)


def _receive(
    connection: Connection, interruption: Interruption
) -> _Reported | _Finished | _Stopped:
    try:
        message = connection.recv()
    except (EOFError, ConnectionError) as error:
        if interruption.number is not None:  # it had nothing to save
            return _Stopped()
        raise ChildProcessError(
            "a worker process died; if memory was short, set num_workers: 1 in params.yaml"
        ) from error
    if isinstance(message, _Failed):
        raise message.error from RuntimeError(f"in a worker:\n{message.traceback}")
    if isinstance(message, _Stopped) and interruption.number is None:
        raise ChildProcessError("a worker process was asked to stop by another process")
    return message


@contextmanager
def _workers(
    task: Task, prepare: Prepare, num_workers: int, signals: Sequence[signal.Signals]
) -> Iterator[tuple[list[Connection], Interruption]]:
    """Start the workers, and end them with the context, whatever they are doing.

    One of `signals` that this process is sent goes on to them as SIGTERM.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    processes: list[BaseProcess] = []

    def ask() -> None:
        for process in processes:
            process.terminate()

    with interruptible(signals, ask) as interruption, ExitStack() as stack:
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
            ask()  # those that were not there yet
        yield connections, interruption


def _work(task: Task, prepare: Prepare, connection: Connection, continuable: bool) -> None:
    """Perform the runs that are sent, until this worker is stopped.

    SIGTERM ends it at once, unless it is performing a run that can be continued.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # reach both: they are the parent's affair
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        perform = prepare(task)
        while True:
            run = connection.recv()
            with interruptible([signal.SIGTERM] if continuable else []) as interruption:
                with task.located_in_run(run):
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
    """End this process when its parent has died, of SIGKILL for instance."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
