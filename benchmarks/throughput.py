"""Env steps per second of sampling and of whole iterations, compared with a ceiling.

An iteration is what training repeats: sample the episodes of an update, compute the gradient and
apply it. The learning rate is 0, so that the policy does not change. It is `untrained`, with short
episodes, or (CartPole only) `balancing`, with episodes that reach the time limit. Padding does not
count as env steps. Each row is measured in a fresh process on one thread, alternating with the
parts of its ceiling (`benchmarks/ceiling.py`), or in several such processes side by side. Rates are
medians, per second of CPU time, added over the processes.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import gymnasium
import keras
import numpy as np
from tqdm import tqdm

from benchmarks import ceiling, report
from benchmarks.networks import make_measured_policy
from benchmarks.processes import call_side_by_side
from benchmarks.throughput_tables import print_throughput
from environments.compiled.registry import reason_not_compiled
from environments.make import make_compiled
from environments.specification import EnvironmentSpecification, inspect_environment
from environments.vector.make import make_environments
from models.policy import Policy
from pipeline.process.arguments import count, seconds
from pipeline.process.messages import exit_with_message
from pipeline.task.errors import UserError
from reinforce.baselines import BASELINES
from reinforce.episodes import Episodes
from reinforce.learner import Learner
from reinforce.records import UpdateRecord
from reinforce.sampling.actor import make_actor
from reinforce.sampling.compiled import CompiledSampler
from reinforce.sampling.gymnasium import GymnasiumSampler
from reinforce.sampling.protocol import Sampler
from reinforce.schedule import UpdateSchedule
from reinforce.train import MAX_UPDATES_PER_CALL, CompiledTrainer, SampledTrainer, Trainer
from reinforce.tuning import tuning

EPISODES = {"compiled": (8, 64, 512, 4096), "gymnasium": (8, 64, 512)}
STEPS_PER_CALL = 4_000_000  # maximum of a call of the compiled program, unless one update has more
REPETITIONS = 30_000  # approximate observations, or env steps, per timing of a part of the ceiling
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Row(NamedTuple):
    """A row of the table before its measurement."""

    env_id: str
    backend: str  # compiled or gymnasium
    policy: str  # untrained or balancing
    num_episodes: int  # B, of each update
    num_processes: int  # side by side, each with its own updates
    seconds: float  # duration of the measurement


class Measurement(NamedTuple):
    """One process's part of a row."""

    # mean length of an episode, updates per call, seconds of compilation, and the peak resident set
    # in MiB, both before compilation and after the iterations
    figures: dict[str, float]
    rates: dict[str, float]  # env steps per second: `sampling`, `iteration`, parts of the ceiling


def measure_throughput(row: Row) -> dict[str, Any]:
    """Measure one row.

    Returns:
        The row, the first process's figures and the largest peak, and the figures of all processes'
        rates together; see `Measurement` and `figures_of_rates`.
    """
    parts = call_side_by_side(measure_process, row, row.num_processes)
    rates = {name: sum(part.rates[name] for part in parts) for name in parts[0].rates}
    peak = max(part.figures["memory_mib"] for part in parts)
    return row._asdict() | parts[0].figures | {"memory_mib": peak} | figures_of_rates(rates)


def measure_process(row: Row) -> Measurement:
    """Measure one row in this process alone."""
    specification = inspect_environment(row.env_id, {})
    with ExitStack() as stack:
        policy = make_measured_policy(specification, row.policy)
        learner = _make_learner(row, policy)
        sampler = stack.enter_context(_make_sampler(row, specification, policy))
        memory, started = _peak_memory(), time.process_time()
        episodes = sampler.sample(np.random.SeedSequence(0))
        mean_length = float(episodes.num_steps.mean())
        updates_per_call = _updates_per_call(row, mean_length)
        trainer = _make_trainer(row, specification, learner, sampler, updates_per_call)
        trainer.reset(np.random.SeedSequence(0))
        endless = np.broadcast_to(np.float32(0), 2**40)
        calls = trainer.run(episodes, _seeds_of_update, UpdateSchedule(endless))
        next(calls)
        compilation = time.process_time() - started
        work = {"sampling": _sampling(sampler), "iteration": _iteration(calls)}
        _warm_up(work)
        figures = {
            "mean_length": mean_length,
            "updates_per_call": updates_per_call,
            "compilation_seconds": compilation,
            "memory_before_mib": memory,
            "memory_mib": _peak_memory(),
        }
        parts = _parts_of_ceiling(row, specification, policy, episodes, stack)
        _warm_up(parts)
        return Measurement(figures, _medians(work | parts, row.seconds))


def figures_of_rates(rates: dict[str, float]) -> dict[str, Any]:
    """Compute a row's figures from its measured rates.

    Returns:
        `sampling`, `iteration`, the parts of the ceiling with the faster implementation of each,
        `ceiling`, and `share`, which is iteration / ceiling.
    """
    parts, faster = {}, {}
    for part in ("forward", "forward_backward"):
        by_library = {library: rates[f"{part} {library}"] for library in ("numpy", "xla")}
        faster[f"{part}_by"] = max(by_library, key=by_library.__getitem__)
        parts[part] = max(by_library.values())
    parts["step"] = rates["step"]
    combined = ceiling.combined(**parts)
    return {
        "sampling": rates["sampling"],
        "iteration": rates["iteration"],
        **parts,
        **faster,
        "ceiling": combined,
        "share": rates["iteration"] / combined,
    }


def _medians(work: dict[str, ceiling.Repeated], seconds: float) -> dict[str, float]:
    """Measure the median rate of each function, alternating between them at least three times."""
    rates: dict[str, list[float]] = {name: [] for name in work}
    begun = time.process_time()
    while len(rates["iteration"]) < 3 or time.process_time() - begun < seconds:
        for name, repeated in work.items():
            started = time.process_time()
            count = repeated()
            rates[name].append(count / (time.process_time() - started))
    return {name: float(np.median(values)) for name, values in rates.items()}


def _warm_up(work: dict[str, ceiling.Repeated]) -> None:
    """Call each function once, which compiles it where that is needed."""
    for repeated in work.values():
        repeated()


def _make_learner(row: Row, policy: Policy) -> Learner:
    return Learner(
        policy,
        keras.optimizers.Adam(0.0),
        gamma=0.99,
        baseline=BASELINES["per_step"],
        normalize_advantages=True,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
        chunk_size=None if row.backend == "compiled" else tuning().eager_chunk_size,
    )


def _make_sampler(row: Row, specification: EnvironmentSpecification, policy: Policy) -> Sampler:
    """Make a sampler of an update's episodes. Training enters it again, with the same copies."""
    if row.backend == "compiled":
        return CompiledSampler(make_compiled(specification), policy, row.num_episodes)
    environments = make_environments(specification, row.num_episodes)
    actor = make_actor(policy, environments.num_envs)
    return GymnasiumSampler(lambda: environments, actor, row.num_episodes)


def _make_trainer(
    row: Row,
    specification: EnvironmentSpecification,
    learner: Learner,
    sampler: Sampler,
    updates_per_call: int,
) -> Trainer:
    if row.backend == "gymnasium":
        return SampledTrainer(learner, sampler)
    return CompiledTrainer(
        learner,
        make_compiled(specification),
        row.num_episodes,
        updates_per_call=updates_per_call,
    )


def _updates_per_call(row: Row, mean_length: float) -> int:
    """Choose the number of updates per call: many in the compiled program."""
    if row.backend == "gymnasium":
        return 1
    num_updates = int(STEPS_PER_CALL / (row.num_episodes * mean_length))
    return max(1, min(MAX_UPDATES_PER_CALL, num_updates))


def _seeds_of_update(update: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([2, update])


def _sampling(sampler: Sampler) -> ceiling.Repeated:
    """Return a function that samples one update's episodes and counts their valid steps."""
    seeds = iter(np.random.SeedSequence(1).spawn(100_000))

    def run() -> int:
        return int(sampler.sample(next(seeds)).num_steps.sum())

    return run


def _iteration(calls: Iterator[list[UpdateRecord]]) -> ceiling.Repeated:
    """Return a function that makes one call's updates and counts their valid steps."""
    so_far = 0

    def run() -> int:
        nonlocal so_far
        before, so_far = so_far, next(calls)[-1].num_env_steps
        return so_far - before

    return run


def _parts_of_ceiling(
    row: Row,
    specification: EnvironmentSpecification,
    policy: Policy,
    episodes: Episodes,
    stack: ExitStack,
) -> dict[str, ceiling.Repeated]:
    batch = (row.num_episodes, policy.observation_size)
    observations = np.resize(episodes.observations[episodes.valid], batch)
    repetitions = max(1, REPETITIONS // row.num_episodes)
    passes = ceiling.network_passes(policy, observations, repetitions)
    parts = {f"{part} {library}": run for part in passes for library, run in passes[part].items()}
    if row.backend == "compiled":
        parts["step"] = ceiling.compiled_steps(specification, row.num_episodes, repetitions)
    else:
        parts["step"] = _steps_outside_tensorflow(row, specification, episodes, stack)
    return parts


def _steps_outside_tensorflow(
    row: Row, specification: EnvironmentSpecification, episodes: Episodes, stack: ExitStack
) -> ceiling.Repeated:
    env = stack.enter_context(closing(gymnasium.make(row.env_id)))
    environments = make_environments(specification, row.num_episodes)
    stack.enter_context(closing(environments))
    steps = max(1, REPETITIONS // environments.num_envs)
    length = round(float(episodes.num_steps.mean()))
    return ceiling.mujoco_steps(
        env, environments.num_envs, steps, length
    ) or ceiling.gymnasium_steps(environments, specification.action_space, steps)


def _peak_memory() -> float:
    """Return the process's peak resident set so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows that the options select."""
    reason = reason_not_compiled(options.env, {})
    balances = options.env == "CartPole-v1"
    for backend in options.backends:
        if backend == "compiled" and reason:
            raise UserError(f"--backends: expected gymnasium, since there is {reason}")
        for policy in options.policies or ["untrained", *["balancing"] * balances]:
            if policy == "balancing" and not balances:
                raise UserError(f"--policies: expected untrained for {options.env}")
            for num_episodes in options.episodes or EPISODES[backend]:
                sizes = (num_episodes, options.processes)
                yield Row(options.env, backend, policy, *sizes, options.seconds)


def main(arguments: list[str] | None = None) -> None:
    """Print tables; write the measurements if `--json` is given."""
    command = "python -m benchmarks.throughput"
    parser = argparse.ArgumentParser(prog=command, description=__doc__)
    parser.add_argument("--env", default="CartPole-v1", help="default: %(default)s")
    parser.add_argument(
        "--backends", nargs="+", choices=EPISODES, default=list(EPISODES), help="default: both"
    )
    parser.add_argument(
        "--policies",
        nargs="+",
        choices=["untrained", "balancing"],
        help="default: all that the environment has",
    )
    parser.add_argument(
        "--episodes",
        nargs="+",
        type=count,
        help="episodes per update; default: depends on the backend",
    )
    parser.add_argument(
        "--processes",
        type=count,
        default=1,
        help="processes that measure each row side by side; default: %(default)s",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=5.0,
        help="time for each row; default: %(default)s",
    )
    report.add_json(parser)
    options = parser.parse_args(arguments)
    with exit_with_message(command):
        inspect_environment(options.env, {})
        rows = list(_rows(options))
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # in the measuring processes
        measured = [
            measure_throughput(row)
            for row in tqdm(rows, unit=" rows", disable=not sys.stderr.isatty())
        ]
        print_throughput(measured)
        report.write_measurements(options.json, command, measured)


if __name__ == "__main__":
    main()
