"""The work of one worker of command `tune`: training runs of candidates, one after another."""

import numpy as np

from pipeline.runs.workers import Perform, Report
from pipeline.task.task import Task
from pipeline.trials.candidates import RunEnded, RunJob, RunOutcome
from pipeline.trials.training import WarmTraining, final_return


def prepare_search(task: Task) -> Perform[None]:
    """Build a function that trains runs; it reports None for each update, and then RunEnded."""
    training = WarmTraining()

    def perform(job: RunJob, report: Report) -> None:
        trained = training.train(
            task._replace(params=job.params), job.run, lambda _record: report(None)
        )
        outcome = None
        if trained.divergence is None:
            mean = float(np.mean([record.mean_return for record in trained.records]))
            outcome = RunOutcome(final_return(trained.records), mean)
        report(RunEnded(outcome))

    return perform
