"""Time until tasks are solved, in seconds, env steps and episodes per run.

A run is solved at the first update after which the mean return of separate evaluation episodes
reaches the threshold. Evaluation time is not counted. Parameters are those of the task in
params.yaml, except that `cartpole` has 8 episodes per update, normalized advantages and a constant
learning rate. Each task runs in a fresh process, which starts and compiles once for all runs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import report
from benchmarks.processes import call_in_fresh_process
from environments.vector.make import make_environments
from models.policy import Policy
from pipeline.build.learners import make_schedule, make_trainer
from pipeline.build.policies import get_weights, make_policy, set_weights
from pipeline.build.samplers import make_sampler
from pipeline.evaluation.exported import Greedy
from pipeline.process.arguments import add_params, count
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import stack_weights
from pipeline.task.schema import TrainParams
from pipeline.task.seeds import Purpose, stream
from pipeline.task.task import Task, load_task
from reinforce.sampling.actor import CompiledActor
from reinforce.sampling.gymnasium import GymnasiumSampler
from reinforce.sampling.protocol import Actor
from reinforce.schedule import Schedule

COMMAND = "python -m benchmarks.time_to_solve"


class SolvedCriterion(NamedTuple):
    """The condition under which a task counts as solved."""

    threshold: float  # for the mean return
    mode: str  # of acting: greedy or sampled
    num_episodes: int  # to average
    every: int  # updates between evaluations
    max_env_steps: int  # before a run is abandoned


CRITERIA = {
    "cartpole": SolvedCriterion(475, "sampled", 100, 1, 200_000),
    "inverted_pendulum": SolvedCriterion(950, "greedy", 20, 2, 1_000_000),
    "pendulum": SolvedCriterion(-200, "greedy", 100, 10, 1_280_000),
}
OVERRIDES = {
    "cartpole": {
        "episodes_per_update": 8,
        "normalize_advantages": True,
        "learning_rate_schedule": "constant",
    }
}


class Request(NamedTuple):
    """The measurement that one process makes."""

    params: Path
    name: str  # of the task
    criterion: SolvedCriterion
    num_runs: int
    since: float  # system time of the request


def measure_time_to_solve(request: Request) -> dict[str, Any]:
    """Train runs of a task until they are solved.

    Returns:
        `start`: seconds of importing and building; `compilation`: seconds of the first update; and
        for each of `runs` its `env_steps`, `episodes`, `seconds` of training and whether it is
        `solved`.
    """
    task, criterion = load_task(request.params, request.name), request.criterion
    train = task.params.train.model_copy(update=OVERRIDES.get(request.name, {}))
    task = task._replace(params=task.params.model_copy(update={"train": train}))

    def initial_policy(run: int) -> Policy:
        seed = stream(task.seed, Purpose.INITIAL_WEIGHTS, run)
        return make_policy(task.params.policy, task.specification, seed)

    policy = initial_policy(0)
    weights = stack_weights([get_weights(initial_policy(run)) for run in range(request.num_runs)])
    trainer = make_trainer(task, policy, updates_per_call=criterion.every)
    sampler = make_sampler(task, policy, train.episodes_per_update)
    evaluate = _make_evaluation(task, policy, criterion)
    start = time.time() - request.since

    def solve(run: int, max_env_steps: int) -> dict[str, Any]:
        def seeds(update: int) -> np.random.SeedSequence:
            return stream(task.seed, Purpose.TRAINING, run, update)

        set_weights(policy, weights, run)
        trainer.reset(stream(task.seed, Purpose.INITIAL_VALUE_WEIGHTS, run))
        begun, seconds, solved = time.perf_counter(), 0.0, False
        with sampler:
            first = sampler.sample(stream(task.seed, Purpose.ROLLOUT, run))
        for records in trainer.run(first, seeds, _schedule(train, max_env_steps)):
            record = records[-1]
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
    runs = [solve(run, criterion.max_env_steps) for run in range(request.num_runs)]
    return {"task": request.name, "start": start, "compilation": compilation, "runs": runs}


def _schedule(train: TrainParams, max_env_steps: int) -> Schedule:
    """Return the task's schedule; if its learning rate is constant, for ample updates."""
    if train.learning_rate_schedule == "constant":
        num_episodes = max_env_steps * train.episodes_per_update
        train = train.model_copy(update={"num_episodes": num_episodes})
    return make_schedule(train)


def _make_evaluation(
    task: Task, policy: Policy, criterion: SolvedCriterion
) -> Callable[[int, int], float]:
    """Make a function that measures the policy's mean return, given run and update."""
    actor: Actor
    if criterion.mode == "greedy":
        greedy = tf.function(policy.greedy, input_signature=policy.sample_signature[:1])
        actor = Greedy({"serving_default": greedy.get_concrete_function()})
        purpose = Purpose.GREEDY_EVALUATION
    else:
        actor, purpose = CompiledActor(policy), Purpose.SAMPLED_EVALUATION
    num_episodes = criterion.num_episodes
    sampler = GymnasiumSampler(
        lambda: make_environments(task.specification, num_episodes), actor, num_episodes
    )

    def evaluate(run: int, update: int) -> float:
        with sampler:
            episodes = sampler.sample(stream(task.seed, purpose, run, update))
        return float(episodes.episode_returns.mean())

    return evaluate


def print_times(measured: Sequence[dict[str, Any]]) -> None:
    """Print a line for each run, and a summary of each task."""
    header = ["task", "run", "env steps", "episodes", "seconds of training", "outcome"]
    rows = [row for of_task in measured for row in _table_rows(of_task)]
    print(report.aligned_table(header, rows))
    for of_task in measured:
        runs, criterion = of_task["runs"], CRITERIA[of_task["task"]]
        steps, episodes, seconds = (
            float(np.median([run[name] for run in runs]))
            for name in ("env_steps", "episodes", "seconds")
        )
        print(
            f"\n{of_task['task']}: mean {criterion.mode} return ≥ {criterion.threshold:g} over "
            f"{criterion.num_episodes} episodes in "
            f"{sum(run['solved'] for run in runs)} of {len(runs)} runs; median {steps:,.0f} env "
            f"steps, {episodes:,.0f} episodes and {seconds:.3g} s of training, after "
            f"{of_task['start']:.1f} s to start and {of_task['compilation']:.1f} s to compile"
        )


def _table_rows(of_task: dict[str, Any]) -> list[list[str]]:
    return [
        [
            *(of_task["task"], str(number)),
            *(f"{run['env_steps']:,}", f"{run['episodes']:,}", f"{run['seconds']:.3f}"),
            "solved" if run["solved"] else "not solved",
        ]
        for number, run in enumerate(of_task["runs"])
    ]


def main(arguments: list[str] | None = None) -> None:
    """Print tables; write the measurements if `--json` is given."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"default: {', '.join(CRITERIA)}")
    parser.add_argument(
        "--runs", type=count, default=10, help="runs of each task; default: %(default)s"
    )
    parser.add_argument("--max-env-steps", type=count, help="env steps before a run is abandoned")
    add_params(parser)
    report.add_json(parser)
    options = parser.parse_args(arguments)
    if unknown := set(options.tasks) - set(CRITERIA):
        parser.error(f"expected some of {', '.join(CRITERIA)}, received {', '.join(unknown)}")
    with exit_with_message(COMMAND):
        measured = []
        names = options.tasks or list(CRITERIA)
        for name in tqdm(names, unit=" tasks", disable=not sys.stderr.isatty()):
            criterion = CRITERIA[name]
            if options.max_env_steps:
                criterion = criterion._replace(max_env_steps=options.max_env_steps)
            request = Request(options.params, name, criterion, options.runs, time.time())
            measured.append(call_in_fresh_process(measure_time_to_solve, request))
        print_times(measured)
        report.write_measurements(options.json, COMMAND, measured)


if __name__ == "__main__":
    main()
