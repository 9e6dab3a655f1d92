"""The work of a process of command `try`: training runs, one after another."""

import time
from collections.abc import Sequence

from pipeline.runs.workers import Perform, Report
from pipeline.task.task import Task
from pipeline.trials.events import RunEnded, RunStarted, TimedRun
from pipeline.trials.training import WarmTraining, final_return


def prepare_runs(_: Task, tasks: Sequence[Task]) -> Perform[TimedRun]:
    """Build a function that trains one run of one of these tasks.

    The jobs are the runs of the first task, then those of the second, and so on. The function
    reports `RunStarted`, the record of each update, and `RunEnded`.
    """
    training = WarmTraining()

    def perform(job: int, report: Report) -> TimedRun:
        index, run = divmod(job, tasks[0].params.num_runs)
        report(RunStarted())
        training.compile(tasks[index])
        started = time.monotonic()
        records, divergence = training.train(tasks[index], run, report)
        ended = RunEnded(None if divergence else final_return(records))
        report(ended)
        return TimedRun(records, ended.final_return, time.monotonic() - started)

    return perform
