"""Stage `rollout`: create the initial policy of every run and sample complete episodes with it.

`pipeline/rollout_run.py` does the work. It is not imported before the progress bar is shown, since
it imports TensorFlow.
"""

import pkgutil
import sys

from environments.diagnostics import find_warnings
from environments.faults import EnvironmentFault
from pipeline.formatting import number
from pipeline.process.start import start_tensorflow
from pipeline.progress_bar import ProgressBar
from pipeline.task.task import Task


def rollout(task: Task) -> None:
    """Create the initial policy of every run and sample complete episodes with it."""
    specification = task.specification
    location = f"{task.name}: {specification.id}"
    try:
        for warning in find_warnings(specification):
            print(f"warning: {location}: {warning}", file=sys.stderr)
    except EnvironmentFault as fault:
        raise EnvironmentFault(f"{location}: {fault}") from fault
    with ProgressBar(task.name, "starting", task.params.num_runs) as bar:
        start_tensorflow()
        mean_return: float = pkgutil.resolve_name("pipeline.rollout_run:sample")(task, bar)
    print(
        f"{task.name}: sampled with initial policies; runs: {task.params.num_runs}, episodes per "
        f"run: {task.params.rollout.num_episodes}, mean return: {number(mean_return)}"
    )
