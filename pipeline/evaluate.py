"""Stage `evaluate`: play the exported SavedModels in the Gymnasium environment, greedy and sampled.

`pipeline/evaluation/run.py` plays the episodes, in one worker per core.
"""

from pipeline.digests import folder_digests
from pipeline.evaluation.folders import require_matching_policy
from pipeline.evaluation.table import EvaluatedRun, concatenated, discounted, metrics_of, rounded
from pipeline.formatting import number
from pipeline.progress_bar import ProgressBar
from pipeline.runs.workers import LazyPrepare, perform_runs
from pipeline.statistics import interquartile_mean
from pipeline.task.artifacts import (
    read_arrays,
    read_json,
    stale_file,
    write_json,
    write_table,
)
from pipeline.task.task import Task


def evaluate(task: Task) -> None:
    """Evaluate each run's SavedModel, greedy and sampled, on episodes with separate seeds."""
    files = task.files
    rollouts = read_arrays(files.rollouts, ["rewards", "valid"])
    for run in range(task.params.num_runs):
        require_matching_policy(task, run, files.policies / str(run))
    chosen = _chosen_run(task)
    num_runs = task.params.num_runs
    with ProgressBar(task.name, "starting", 2 * num_runs) as bar:

        def show(run: int, mode: str) -> None:
            bar.count += 1
            bar.text = f"played {mode} episodes of run {run} (of {num_runs})"

        runs: list[EvaluatedRun] = perform_runs(
            task, LazyPrepare("pipeline.evaluation.run:prepare_evaluation", (chosen,)), show
        )
    evaluation = concatenated([run.episodes for run in runs])
    before = [
        discounted(rewards, valid, task.params.train.gamma).mean()
        for rewards, valid in zip(rollouts["rewards"], rollouts["valid"], strict=True)
    ]
    metrics = metrics_of(evaluation) | {"objective_before": rounded(interquartile_mean(before))}
    _, visited, plane, episode = runs[chosen]
    assert visited is not None
    assert plane is not None
    assert episode is not None
    write_table(files.evaluation, evaluation)
    write_table(files.visited, visited)
    write_table(files.plane, plane)
    write_table(files.episode, episode)
    write_json(files.metrics, {task.name: metrics})
    text = {name: number(value) for name, value in metrics.items() if value is not None}
    print(
        f"{task.name}: mean return, greedy {text['greedy']} (worst run "
        f"{text['greedy_worst_run']}), sampled {text['sampled']} (worst run "
        f"{text['sampled_worst_run']}); interquartile mean over runs"
    )


def _chosen_run(task: Task) -> int:
    """Read the number of the run whose policy was exported as the task's policy."""
    chosen = read_json(task.files.policy / "spec.json", ["run"])["run"]
    if chosen not in range(task.params.num_runs):
        expected = f"the policy of one of {task.params.num_runs} runs"
        raise stale_file(task.files.policy, expected, f"that of run {chosen}")
    if folder_digests(task.files.policy) != folder_digests(task.files.policies / str(chosen)):
        raise stale_file(task.files.policy, f"the policy of run {chosen}", "another")
    return int(chosen)
