"""Stage `evaluate`: the exported SavedModels in Gymnasium's environment, greedy and sampled."""

from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from pipeline.environments.faults import closing_quietly
from pipeline.environments.planes import choose_plane, grid
from pipeline.environments.specification import EnvironmentSpecification
from pipeline.files.artifacts import (
    Table,
    out_of_step,
    read_arrays,
    read_json,
    write_json,
    write_table,
)
from pipeline.playing.environments import make_environment
from pipeline.playing.replay import record
from pipeline.processes.stage import Task, run_stage, start_tensorflow
from pipeline.processes.workers import Perform, Report, perform_runs
from pipeline.reinforce.episodes import Episodes
from pipeline.reinforce.sampling import Actor
from pipeline.seeds import Purpose, stream
from pipeline.statistics import bootstrap_interval, interquartile_mean

MODES = ("greedy", "sampled")  # ways of acting
NUM_VISITED = 2000  # steps of the chosen policy that are kept for the picture of what it does
PLANE_POINTS = 61  # along each side of the plane


class EvaluatedRun(NamedTuple):
    """What evaluation saw of one run's policy."""

    episodes: Table  # a row for each episode
    # Of the chosen policy only, the action distribution
    visited: Table | None  # at some steps that it sampled
    plane: Table | None  # over a plane of states
    episode: Table | None  # and what it did in a greedy one, step by step


def evaluate(task: Task) -> None:
    """Evaluates each run's SavedModel, greedy and sampled, on episodes with seeds of their own."""
    files = task.files
    rollouts = read_arrays(files.rollouts, ["rewards", "valid"])
    chosen = _chosen_run(task)
    runs = perform_runs(task, prepare)
    evaluation = _joined([run.episodes for run in runs])
    before = [
        _discounted(task, rewards, valid).mean()
        for rewards, valid in zip(rollouts["rewards"], rollouts["valid"], strict=True)
    ]
    metrics = summarize(evaluation) | {"objective_before": _rounded(interquartile_mean(before))}
    _, visited, plane, episode = runs[chosen]
    assert visited is not None
    assert plane is not None
    assert episode is not None
    write_table(files.evaluation, evaluation)
    write_table(files.visited, visited)
    write_table(files.plane, plane)
    write_table(files.episode, episode)
    write_json(files.metrics, {task.name: metrics})
    print(
        f"{task.name}: interquartile mean over runs of the mean return, "
        f"greedy {metrics['greedy']}, sampled {metrics['sampled']}; worst run "
        f"{metrics['greedy_worst_run']} and {metrics['sampled_worst_run']}"
    )


def prepare(task: Task) -> Perform[EvaluatedRun]:
    """Starts TensorFlow and returns what evaluates one run after the other."""
    start_tensorflow()
    from pipeline.environments.parallel.making import make_environments
    from pipeline.playing import exported
    from pipeline.reinforce.sampling import sample_episodes

    num_episodes = task.params.evaluate.num_episodes
    chosen = _chosen_run(task)

    def perform(run: int, _: Report) -> EvaluatedRun:
        signatures = exported.load_signatures(task.files.policies / str(run))
        ways = {
            "greedy": (exported.Greedy(signatures), Purpose.GREEDY_EVALUATION),
            "sampled": (exported.Sampled(signatures), Purpose.SAMPLED_EVALUATION),
        }
        tables = []
        with closing(make_environments(task.specification, num_episodes)) as environments:
            for mode, (actor, purpose) in ways.items():
                seed = stream(task.seed, purpose, run)
                episodes = sample_episodes(environments, actor, num_episodes, seed)
                tables.append(_tabulate(task, episodes, run, mode))
        visited = plane = episode = None
        if run == chosen:  # the episodes are those that it sampled
            observations = _thinned(episodes.observations[episodes.valid], NUM_VISITED)
            visited = _columns("observation", observations)
            visited |= exported.distribution_parameters(signatures, observations)
            plane, observations = _plane(task.specification.id, observations)
            plane |= exported.distribution_parameters(signatures, observations)
            episode = _record(task.specification, ways["greedy"][0])
        return EvaluatedRun(_joined(tables), visited, plane, episode)

    return perform


def summarize(evaluation: Table) -> dict[str, float | None]:
    """A task's metrics from its evaluation episodes.

    Args:
        evaluation: The columns `run`, `mode`, `episode_return` and `discounted_return`.

    Returns:
        For each mode the interquartile mean over runs of a run's mean return, its 95 % interval
        (None for a single run) and the worst run's mean; and the objective, the interquartile mean
        over runs of the mean discounted return of sampled episodes.
    """
    metrics: dict[str, float | None] = {}
    for mode in MODES:
        means = means_of_runs(evaluation, mode, "episode_return")
        interval = bootstrap_interval(means)
        metrics[mode] = _rounded(interquartile_mean(means))
        metrics[f"{mode}_low"] = _rounded(interval.low) if interval else None
        metrics[f"{mode}_high"] = _rounded(interval.high) if interval else None
        metrics[f"{mode}_worst_run"] = _rounded(means.min())
    objectives = means_of_runs(evaluation, "sampled", "discounted_return")
    metrics["objective"] = _rounded(interquartile_mean(objectives))
    return metrics


def means_of_runs(evaluation: Table, mode: str, column: str) -> np.ndarray:
    """The mean of a column over each run's episodes of one mode, `[R]`, in the order of runs."""
    of_mode = evaluation["mode"] == mode
    runs, values = evaluation["run"][of_mode], evaluation[column][of_mode]
    return np.array([values[runs == run].mean() for run in np.unique(runs)])


def _record(specification: EnvironmentSpecification, actor: Actor) -> Table:
    """A greedy episode in an environment of its own, for the film."""
    no_seed = np.zeros(2, np.int32)  # nothing is drawn
    with closing_quietly(make_environment(specification, None)) as env:
        return record(env, lambda seen: actor.act(seen, no_seed).action, specification.id)


def _chosen_run(task: Task) -> int:
    """The run whose policy was exported as the task's."""
    chosen = read_json(task.files.policy / "spec.json", ["run"])["run"]
    if chosen not in range(task.params.num_runs):
        expected = f"the policy of one of {task.params.num_runs} runs"
        raise out_of_step(task.files.policy, expected, f"that of run {chosen}")
    return int(chosen)


def _tabulate(task: Task, episodes: Episodes, run: int, mode: str) -> Table:
    """A row for each episode."""
    num_episodes = len(episodes.valid)
    return {
        "run": np.full(num_episodes, run),
        "mode": np.full(num_episodes, mode),
        "episode": np.arange(num_episodes),
        "episode_return": episodes.episode_returns,
        "discounted_return": _discounted(task, episodes.rewards, episodes.valid),
        "num_steps": episodes.num_steps,
        "terminated": episodes.terminated.any(axis=1).astype(int),
    }


def _joined(tables: list[Table]) -> Table:
    """The rows of one table after those of the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _discounted(task: Task, rewards: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Discounted return of each episode, `[B, T]` → `[B]`, in float64."""
    discounts = task.params.train.gamma ** np.arange(rewards.shape[1])
    return (rewards * valid) @ discounts


def _thinned(values: np.ndarray, num: int) -> np.ndarray:
    """At most `num` rows, evenly spaced."""
    return values[np.linspace(0, len(values) - 1, min(num, len(values))).astype(int)]


def _plane(env_id: str, visited: np.ndarray) -> tuple[Table, np.ndarray]:
    """Where on a plane of states the policy is shown: its two axes, and the observations there.

    One point of it, where the environment has no plane: its observations do not vary enough.
    """
    plane = choose_plane(env_id, visited)
    if plane is None:
        return _columns("observation", visited[:1]), visited[:1]
    x, y, observations = grid(plane, PLANE_POINTS)
    return {plane.x.label: x, plane.y.label: y}, observations


def _columns(name: str, values: np.ndarray) -> Table:
    """Splits `[N, O]` into O columns `name_0`, `name_1`, and so on."""
    return {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}


def _rounded(value: Any) -> float:
    """To six significant digits, so that tables of metrics can be read."""
    return float(f"{float(value):.6g}")


if __name__ == "__main__":
    run_stage(evaluate)
