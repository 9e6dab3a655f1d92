"""Export the trained policies as SavedModels.

It must be the first work of its process, since TensorFlow's earlier work changes a SavedModel's
bytes.
"""

import errno

import numpy as np
import tensorflow as tf

from models.savedmodel import ServablePolicy
from pipeline.build.policies import make_policy, read_weights, set_weights
from pipeline.description import describe_policy
from pipeline.digests import folder_digests
from pipeline.progress_bar import ProgressBar
from pipeline.task.artifacts import (
    Table,
    atomic_write,
    copy_folder,
    read_table,
    stale_file,
    write_json,
)
from pipeline.task.task import Task


def export(task: Task, bar: ProgressBar) -> tuple[int, float]:
    """Export each run's policy as a SavedModel, and copy the one of the best run.

    Returns:
        The best run, and the mean return of its last training episodes.
    """
    params, files = task.params, task.files
    policy = make_policy(params.policy, task.specification)
    weights = read_weights(files.final_weights, policy, params.num_runs)
    curve = read_table(files.learning_curve, ["run", "mean_return", "kept"])
    if any(curve[n].dtype.kind == "U" or not np.isfinite(curve[n]).all() for n in curve):
        raise stale_file(files.learning_curve, "finite numbers", "text, NaN or infinity")
    returns = final_returns(curve)
    if len(returns) != params.num_runs:
        expected = f"a learning curve of {params.num_runs} runs"
        raise stale_file(files.learning_curve, expected, f"one of {len(returns)}")
    chosen = int(np.argmax(returns))
    servable = ServablePolicy(policy)
    with atomic_write(files.policies) as folder:
        for run in range(params.num_runs):
            set_weights(policy, weights, run)
            try:
                servable.save(folder / str(run))
            except tf.errors.OpError as error:  # such as a full disk; hides the temporary path
                raise OSError(errno.EIO, error.message.rpartition("; ")[2]) from error
            digests = folder_digests(folder / str(run))
            write_json(
                folder / str(run) / "spec.json", describe_policy(task, run) | {"sha256": digests}
            )
            bar.count += 1
            bar.text = f"exported the policy of run {run} (of {params.num_runs})"
    copy_folder(files.policies / str(chosen), files.policy)
    return chosen, float(returns[chosen])


def final_returns(curve: Table) -> np.ndarray:
    """Return each run's mean return over the last tenth of its updates (at least one), `[R]`.

    If a run kept an earlier policy, they are the updates up to the one whose episodes it sampled.
    """
    means = []
    for run in np.unique(curve["run"]):
        of_run = curve["run"] == run
        returns, kept = curve["mean_return"][of_run], np.flatnonzero(curve["kept"][of_run])
        end = kept[0] + 1 if len(kept) else len(returns)
        means.append(returns[max(0, end - max(1, len(returns) // 10)) : end].mean())
    return np.array(means)
