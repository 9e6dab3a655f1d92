"""The independent runs of a task side by side, in processes of their own.

A run's result depends on its number and nothing else: neither on the process that performs it nor
on the runs before it there. So it is the same with any number of workers.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from pipeline.stage import Task


MAX_WORKERS = 8  # each has TensorFlow's half gigabyte of its own

Result = TypeVar("Result")
Report = Callable[[Any], None]
# What a worker is made for: prepares a task once, then performs one run after the other.
Perform = Callable[[int, Report], Result]
Prepare = Callable[["Task"], Perform[Result]]


def default_num_workers() -> int:
    """One for each core that this process may use; one in all where there is an NVIDIA GPU."""
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


def perform_runs(
    task: "Task",
    prepare: Prepare[Result],
    report: Callable[[int, Any], None] = lambda run, value: None,
) -> list[Result]:
    """Performs all runs of a task.

    Args:
        task: The task; `task.num_workers` runs are performed at a time.
        prepare: Called once in each worker: task → `perform(run, report) → result`. A function of a
            module, and results and reports that can be pickled.
        report: Called here with the number of the run and what its worker reported.
            Defaults to ignoring it.

    Returns:
        The results, run by run.

    Raises:
        ChildProcessError: If a worker died.
        Exception: What the first worker to fail raised; the others are stopped.
    """
    num_runs = task.params.num_runs
    num_workers = min(task.num_workers, num_runs)
    if num_workers == 1:
        perform = prepare(task)
        return [perform(run, partial(report, run)) for run in range(num_runs)]
    runs = iter(range(num_runs))
    results: dict[int, Result] = {}
    with _workers(task, prepare, num_workers) as connections:
        for connection in connections:
            with _being_alive():
                connection.send(next(runs))
        while len(results) < num_runs:
            ready = wait(connections)
            for connection in [c for c in connections if c in ready]:
                message = _receive(connection)
                if isinstance(message, _Reported):
                    report(message.run, message.value)
                else:
                    results[message.run] = message.result
                    if (run := next(runs, None)) is not None:
                        with _being_alive():
                            connection.send(run)
    return [results[run] for run in range(num_runs)]


def _receive(connection: Connection) -> _Reported | _Finished:
    with _being_alive():
        message = connection.recv()
    if isinstance(message, _Failed):
        raise message.error from RuntimeError(f"in a worker:\n{message.traceback}")
    return message


@contextmanager
def _being_alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise ChildProcessError(
            "a worker process died; if memory was short, set num_workers: 1 in params.yaml"
        ) from error


@contextmanager
def _workers(task: "Task", prepare: Prepare, num_workers: int) -> Iterator[list[Connection]]:
    """Starts the workers, and stops them when the context ends, whatever they are doing."""
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ExitStack() as stack:
        connections = []
        for _ in range(num_workers):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(task, prepare, there), daemon=True)
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            connections.append(here)
        yield connections


def _work(task: "Task", prepare: Prepare, connection: Connection) -> None:
    """A worker's life: performs the runs that it is sent, until it is stopped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: it is the parent's affair
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        perform = prepare(task)
        while True:
            run = connection.recv()
            connection.send(_Finished(run, perform(run, partial(_report, connection, run))))
    except (EOFError, BrokenPipeError):
        return
    except BaseException as error:
        connection.send(_Failed(error, traceback.format_exc()))


def _report(connection: Connection, run: int, value: Any) -> None:
    connection.send(_Reported(run, value))


def _end_with_parent() -> None:
    """Ends this process when its parent has died, of SIGKILL for instance."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
