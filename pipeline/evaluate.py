"""Stage `evaluate`: export the trained policies and play their SavedModels in the environment.

`pipeline/evaluation/export.py` writes the SavedModels. `pipeline/evaluation/run.py` loads them and
plays episodes in the Gymnasium environment, greedy and sampled. Neither is imported before the
progress bar is shown, since they import TensorFlow.
"""

import pkgutil

from pipeline.evaluation.table import EvaluatedRun, concatenated, discounted, metrics_of, rounded
from pipeline.formatting import number
from pipeline.process.start import start_tensorflow
from pipeline.progress_bar import ProgressBar
from pipeline.runs.workers import LazyPrepare, perform_runs
from pipeline.statistics import interquartile_mean
from pipeline.task.artifacts import read_arrays, write_json, write_table
from pipeline.task.task import Task

# Environments that are also compiled take 5 to 60 µs per step. Another worker takes 3 s to start.
MIN_ENV_STEPS_PER_WORKER = 300_000


def evaluate(task: Task) -> None:
    """Export each run's policy and evaluate it on episodes with separate seeds."""
    files, num_runs = task.files, task.params.num_runs
    rollouts = read_arrays(files.rollouts, ["rewards", "valid"])
    with ProgressBar(task.name, "starting", 3 * num_runs) as bar:
        start_tensorflow()
        export = pkgutil.resolve_name("pipeline.evaluation.export:export")
        chosen, last_return = export(task, bar)

        def show(run: int, mode: str) -> None:
            bar.count += 1
            bar.text = f"played {mode} episodes of run {run} (of {num_runs})"

        runs: list[EvaluatedRun] = perform_runs(
            task,
            LazyPrepare("pipeline.evaluation.run:prepare_evaluation", (chosen,)),
            show,
            useful_num_workers=useful_num_workers(task),
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
        f"{task.name}: policies exported; chose policies/{chosen}, mean return "
        f"{number(last_return)} over its last training episodes"
    )
    print(
        f"{task.name}: mean return, greedy {text['greedy']} (worst run "
        f"{text['greedy_worst_run']}), sampled {text['sampled']} (worst run "
        f"{text['sampled_worst_run']}); interquartile mean over runs"
    )


def useful_num_workers(task: Task) -> int | None:
    """Return the maximum number of workers worth starting; None for no limit.

    Only the speed of environments that are also compiled is known.
    """
    if not task.is_compiled:
        return None
    num_episodes = 2 * task.params.num_runs * task.params.evaluate.num_episodes
    max_env_steps = num_episodes * task.specification.max_episode_steps
    return max(1, max_env_steps // MIN_ENV_STEPS_PER_WORKER)
