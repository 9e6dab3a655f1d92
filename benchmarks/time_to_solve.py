"""How soon tasks are solved: seconds, env steps and episodes, run by run.

A run is solved at the first update after which the mean return of separate evaluation episodes
reaches the threshold; their time is not counted. Parameters are the task's in params.yaml, but for
`cartpole`, which takes 8 episodes per update, normalises advantages and does not lower its learning
rate. Each task has a process of its own, which starts, imports and compiles once for all its runs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import report
from pipeline.files.artifacts import stack_weights
from pipeline.parameters.schema import TrainParams
from pipeline.processes.arguments import count, file_to_write
from pipeline.processes.stage import Task, load_task, one_message, start_tensorflow
from pipeline.seeds import Purpose, stream

if TYPE_CHECKING:
    from models.policy import Policy
    from pipeline.reinforce.sampling import Actor

COMMAND = "python -m benchmarks.time_to_solve"


class Criterion(NamedTuple):
    """When a task counts as solved."""

    threshold: float  # of the mean return
    mode: str  # greedy or sampled: how the policy acts
    num_episodes: int  # that are averaged
    every: int  # updates between evaluations
    max_env_steps: int  # after which a run is given up


CRITERIA = {
    "cartpole": Criterion(475, "sampled", 100, 1, 200_000),
    "inverted_pendulum": Criterion(950, "greedy", 20, 2, 1_000_000),
    "pendulum": Criterion(-200, "greedy", 100, 10, 1_280_000),
}
QUICKEST = {
    "cartpole": {
        "episodes_per_update": 8,
        "normalize_advantages": True,
        "learning_rate_schedule": "constant",
    }
}


class Asked(NamedTuple):
    """What one process is to measure."""

    params: Path
    name: str  # of the task
    criterion: Criterion
    num_runs: int
    since: float  # when the process was asked for, by the system's clock


def measure(asked: Asked) -> dict[str, Any]:
    """Trains runs of a task until they are solved.

    Returns:
        `start`: seconds until all is imported and built; `compilation`: until an update has been
        made; and for each of `runs` its `env_steps`, `episodes`, `seconds` of training and whether
        it is `solved`.
    """
    start_tensorflow()
    from pipeline.assembly import learners, policies
    from pipeline.assembly.backends import chunk_size, make_sampler, make_training

    task, criterion = load_task(asked.params, asked.name), asked.criterion
    train = task.params.train.model_copy(update=QUICKEST.get(asked.name, {}))
    task = task._replace(params=task.params.model_copy(update={"train": train}))

    def make_policy(run: int) -> "Policy":
        seed = stream(task.seed, Purpose.INITIAL_WEIGHTS, run)
        return policies.make_policy(task.params.policy, task.specification, seed)

    policy = make_policy(0)
    learner = learners.make_learner(train, policy, chunk_size(task))
    weights = stack_weights([policies.get_weights(make_policy(r)) for r in range(asked.num_runs)])
    training = make_training(task, learner, updates_per_call=criterion.every)
    sampler = make_sampler(task, policy, train.episodes_per_update)
    evaluate = _evaluation(task, policy, criterion)
    start = time.time() - asked.since

    def solve(run: int, max_env_steps: int) -> dict[str, Any]:
        def seeds(update: int) -> np.random.SeedSequence:
            return stream(task.seed, Purpose.TRAINING, run, update)

        learners.begin_run(
            learner, train, weights, run, stream(task.seed, Purpose.INITIAL_VALUE_WEIGHTS, run)
        )
        begun = time.perf_counter()
        with sampler() as sample:
            first = sample(stream(task.seed, Purpose.ROLLOUT, run))
        updates = training.train_run(first, seeds, _num_updates(train, max_env_steps))
        seconds = time.perf_counter() - begun
        begun, solved = time.perf_counter(), False
        for record in updates:
            if (record.update + 1) % criterion.every:
                continue
            seconds += time.perf_counter() - begun
            solved = evaluate(run, record.update) >= criterion.threshold
            if solved or record.num_env_steps >= max_env_steps:
                break
            begun = time.perf_counter()
        return {
            "env_steps": record.num_env_steps,
            "episodes": record.num_episodes,
            "seconds": seconds,
            "solved": solved,
        }

    begun = time.perf_counter()
    solve(0, 1)
    compilation = time.perf_counter() - begun
    runs = [solve(run, criterion.max_env_steps) for run in range(asked.num_runs)]
    return {"task": asked.name, "start": start, "compilation": compilation, "runs": runs}


def _num_updates(train: TrainParams, max_env_steps: int) -> int:
    """As many as the task makes; where nothing depends on their number, as many as are needed."""
    if train.learning_rate_schedule == "constant":
        return max_env_steps
    return train.num_episodes // train.episodes_per_update


def _evaluation(task: Task, policy: "Policy", criterion: Criterion) -> Callable[[int, int], float]:
    """The mean return of the policy as it is, given the numbers of the run and of the update."""
    import tensorflow as tf

    from pipeline.assembly.backends import CompiledActor
    from pipeline.environments.parallel.making import make_environments
    from pipeline.playing.exported import Greedy
    from pipeline.reinforce.sampling import sample_episodes

    is_greedy = criterion.mode == "greedy"
    greedy = tf.function(policy.greedy, input_signature=policy.sample_signature[:1])
    actor: Actor = (
        Greedy({"serving_default": greedy.get_concrete_function()})
        if is_greedy
        else CompiledActor(policy)
    )
    purpose = Purpose.GREEDY_EVALUATION if is_greedy else Purpose.SAMPLED_EVALUATION

    def evaluate(run: int, update: int) -> float:
        seed = stream(task.seed, purpose, run, update)
        with closing(make_environments(task.specification, criterion.num_episodes)) as copies:
            episodes = sample_episodes(copies, actor, criterion.num_episodes, seed)
        return float(episodes.episode_returns.mean())

    return evaluate


def print_tables(measured: Sequence[dict[str, Any]]) -> None:
    """A line for each run, and what they come to."""
    header = ["task", "run", "env steps", "episodes", "seconds of training", "outcome"]
    print(report.table(header, [line for of_task in measured for line in _lines(of_task)]))
    for of_task in measured:
        runs, criterion = of_task["runs"], CRITERIA[of_task["task"]]
        steps, episodes, seconds = (
            float(np.median([run[name] for run in runs]))
            for name in ("env_steps", "episodes", "seconds")
        )
        print(
            f"\n{of_task['task']}: {criterion.mode} mean return of {criterion.num_episodes} "
            f"episodes at least {criterion.threshold:g} in "
            f"{sum(run['solved'] for run in runs)} of {len(runs)} runs; median {steps:,.0f} env "
            f"steps, {episodes:,.0f} episodes and "
            f"{seconds:.3g} s of training, after {of_task['start']:.1f} s of start and "
            f"{of_task['compilation']:.1f} s of compilation"
        )


def _lines(of_task: dict[str, Any]) -> list[list[str]]:
    return [
        [
            *(of_task["task"], str(number)),
            *(f"{run['env_steps']:,}", f"{run['episodes']:,}", f"{run['seconds']:.3f}"),
            "solved" if run["solved"] else "not solved",
        ]
        for number, run in enumerate(of_task["runs"])
    ]


def main(arguments: list[str] | None = None) -> None:
    """Prints tables; `--json` writes the measurements."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"default: {', '.join(CRITERIA)}")
    parser.add_argument("--runs", type=count, default=10, help="default: %(default)s")
    parser.add_argument("--max-env-steps", type=count, help="after which a run is given up")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--json", type=file_to_write(".json"), metavar="PATH")
    options = parser.parse_args(arguments)
    if unknown := set(options.tasks) - set(CRITERIA):
        parser.error(f"expected some of {', '.join(CRITERIA)}, received {', '.join(unknown)}")
    with one_message(COMMAND):
        fresh = ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1)
        measured = []
        with fresh as processes:
            names = options.tasks or list(CRITERIA)
            for name in tqdm(names, unit=" tasks", disable=not sys.stderr.isatty()):
                criterion = CRITERIA[name]
                if options.max_env_steps:
                    criterion = criterion._replace(max_env_steps=options.max_env_steps)
                asked = Asked(options.params, name, criterion, options.runs, time.time())
                measured.append(processes.submit(measure, asked).result())
        print_tables(measured)
        report.write(options.json, COMMAND, measured)


if __name__ == "__main__":
    main()
