"""Env steps a second of sampling and of whole iterations, beside what its parts alone can do.

An iteration is what training repeats: sample the episodes of an update, compute the gradient, apply
it. The learning rate is 0, so that the policy stays what it is: `untrained`, whose episodes are
short, or `balancing`, of CartPole, whose episodes last to the limit. Env steps are those of
episodes; padding does not count. Each row is measured in a process of its own, in turns with the
parts of its ceiling (`benchmarks/ceiling.py`), all on one thread; figures are medians.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import ceiling, report
from benchmarks.networks import make_policy
from benchmarks.throughput_tables import print_tables
from pipeline.environments.compiled import why_not_compiled
from pipeline.environments.specification import EnvironmentSpecification, inspect_environment
from pipeline.errors import UserError
from pipeline.processes.arguments import count, file_to_write, seconds
from pipeline.processes.stage import one_message, start_tensorflow

if TYPE_CHECKING:
    from models.policy import Policy
    from pipeline.reinforce.episodes import Episodes
    from pipeline.reinforce.records import UpdateRecord

EPISODES = {"compiled": (8, 64, 512, 4096), "gymnasium": (8, 64, 512)}
STEPS_PER_CALL = 4_000_000  # of one call of the compiled program, at most (or one update's)
REPETITIONS = 30_000  # about as many observations, or env steps, one timing of the ceiling takes
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Row(NamedTuple):
    """What to measure."""

    env_id: str
    backend: str  # compiled or gymnasium
    policy: str  # untrained or balancing
    num_episodes: int  # B, of each update
    seconds: float  # how long to go on measuring


class Training(NamedTuple):
    """What samples and trains in one of the backends."""

    sample: Callable[[np.random.SeedSequence], "Episodes"]
    updates: Callable[["Episodes", int], Iterator["UpdateRecord"]]  # first episodes, together


def measure(row: Row) -> dict[str, Any]:
    """Measures one row; rates are env steps a second.

    Returns:
        The row, the mean length of an episode, `sampling`, `iteration`, the parts of the ceiling
        and which way was the faster, `ceiling`, `share`, seconds of compilation, and the peak of
        the resident set in MiB, before anything was compiled and after the iterations.
    """
    start_tensorflow()
    specification = inspect_environment(row.env_id, {})
    with ExitStack() as stack:
        policy = make_policy(specification, row.policy)
        training = _training(row, specification, policy, stack)
        memory, started = _peak_memory(), time.process_time()
        episodes = training.sample(np.random.SeedSequence(0))
        mean_length = float(episodes.num_steps.mean())
        max_env_steps = row.num_episodes * specification.max_episode_steps
        together = _updates_together(row, policy, max_env_steps, mean_length)
        updates = training.updates(episodes, together)
        next(updates)
        compilation = time.process_time() - started
        for _ in range(together - 1):
            next(updates)
        work = {
            "sampling": _sampling(training),
            "iteration": _iteration(updates, together),
        }
        for repeated in work.values():
            repeated()
        figures = {
            "mean_length": mean_length,
            "updates_together": together,
            "compilation_seconds": compilation,
            "memory_before_mib": memory,
            "memory_mib": _peak_memory(),
        }
        work |= _parts_of_ceiling(row, specification, policy, episodes, stack)
        return row._asdict() | figures | summarize(_medians(work, row.seconds))


def summarize(rates: dict[str, float]) -> dict[str, Any]:
    """A row's figures from the rate of each piece of work."""
    parts, ways = {}, {}
    for part in ("forward", "forward_backward"):
        of_part = {way: rates[f"{part} {way}"] for way in ("numpy", "xla")}
        ways[f"{part}_by"] = max(of_part, key=of_part.__getitem__)
        parts[part] = max(of_part.values())
    parts["step"] = rates["step"]
    most = ceiling.combined(**parts)
    return {
        "sampling": rates["sampling"],
        "iteration": rates["iteration"],
        **parts,
        **ways,
        "ceiling": most,
        "share": rates["iteration"] / most,
    }


def _medians(work: dict[str, ceiling.Repeated], seconds: float) -> dict[str, float]:
    """The median rate of each piece of work; they take turns, at least three times."""
    rates: dict[str, list[float]] = {name: [] for name in work}
    for repeated in work.values():  # compiles, warms up
        repeated()
    begun = time.process_time()
    while len(rates["iteration"]) < 3 or time.process_time() - begun < seconds:
        for name, repeated in work.items():
            started = time.process_time()
            count = repeated()
            rates[name].append(count / (time.process_time() - started))
    return {name: float(np.median(values)) for name, values in rates.items()}


def _training(
    row: Row, specification: EnvironmentSpecification, policy: "Policy", stack: ExitStack
) -> Training:
    import keras

    from pipeline.assembly.backends import CompiledActor
    from pipeline.environments.compiled import make_compiled
    from pipeline.environments.parallel.making import make_environments
    from pipeline.reinforce.chunks import CHUNK_SIZE, EAGER_CHUNK_SIZE
    from pipeline.reinforce.compiled import CompiledTraining, compile_sampler
    from pipeline.reinforce.learner import Learner
    from pipeline.reinforce.sampling import sample_episodes
    from pipeline.reinforce.training import SampledTraining

    learner: Learner = Learner(
        policy,
        keras.optimizers.Adam(0.0),
        gamma=0.99,
        baseline="per_step",
        normalize_advantages=True,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
        chunk_size=CHUNK_SIZE if row.backend == "compiled" else EAGER_CHUNK_SIZE,
    )
    num_episodes = row.num_episodes

    def seeds(update: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([2, update])

    if row.backend == "compiled":
        environment = make_compiled(specification)

        def compiled(first: "Episodes", together: int) -> Iterator["UpdateRecord"]:
            training = CompiledTraining(environment, learner, num_episodes, together)
            return training.train_run(first, seeds, sys.maxsize)

        return Training(compile_sampler(environment, policy, num_episodes), compiled)

    actor = CompiledActor(policy)
    environments = stack.enter_context(closing(make_environments(specification, num_episodes)))

    def sample(seed: np.random.SeedSequence) -> "Episodes":
        return sample_episodes(environments, actor, num_episodes, seed)

    def sampled(first: "Episodes", _: int) -> Iterator["UpdateRecord"]:
        training = SampledTraining(learner, lambda: nullcontext(sample))
        return training.train_run(first, seeds, sys.maxsize)

    return Training(sample, sampled)


def _updates_together(row: Row, policy: "Policy", max_env_steps: int, mean_length: float) -> int:
    """How many updates one call makes.

    In the compiled program as many as in training, but fewer where that would take minutes.
    """
    from pipeline.reinforce.compiled import updates_together

    if row.backend == "gymnasium":
        return 1
    at_most = int(STEPS_PER_CALL / (row.num_episodes * mean_length))
    return max(1, min(updates_together(policy, max_env_steps), at_most))


def _sampling(training: Training) -> ceiling.Repeated:
    """Samples the episodes of one update; counts their valid steps."""
    seeds = iter(np.random.SeedSequence(1).spawn(100_000))

    def run() -> int:
        return int(training.sample(next(seeds)).num_steps.sum())

    return run


def _iteration(updates: Iterator["UpdateRecord"], together: int) -> ceiling.Repeated:
    """Makes the updates of one call; counts the valid steps of their episodes."""
    so_far = 0

    def run() -> int:
        nonlocal so_far
        before = so_far
        for _ in range(together):
            so_far = next(updates).num_env_steps
        return so_far - before

    return run


def _parts_of_ceiling(
    row: Row,
    specification: EnvironmentSpecification,
    policy: "Policy",
    episodes: "Episodes",
    stack: ExitStack,
) -> dict[str, ceiling.Repeated]:
    from pipeline.environments.parallel.making import make_environments

    batch = (row.num_episodes, policy.observation_size)
    observations = np.resize(episodes.observations[episodes.valid], batch)
    repetitions = max(1, REPETITIONS // row.num_episodes)
    ways = ceiling.network_ways(policy, observations, repetitions)
    parts = {f"{part} {way}": run for part in ways for way, run in ways[part].items()}
    if row.backend == "compiled":
        parts["step"] = ceiling.compiled_steps(specification, row.num_episodes, repetitions)
    else:
        environments = make_environments(specification, row.num_episodes)
        stack.enter_context(closing(environments))
        steps = max(1, REPETITIONS // environments.num_envs)
        parts["step"] = ceiling.gymnasium_steps(environments, specification.action_space, steps)
    return parts


def _peak_memory() -> float:
    """The most that the process has had in memory so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows that were asked for."""
    reason = why_not_compiled(options.env, {})
    balances = options.env == "CartPole-v1"
    for backend in options.backends:
        if backend == "compiled" and reason:
            raise UserError(f"--backends: expected gymnasium, since there is {reason}")
        for policy in options.policies or ["untrained", *["balancing"] * balances]:
            if policy == "balancing" and not balances:
                raise UserError(f"--policies: expected untrained for {options.env}")
            for num_episodes in options.episodes or EPISODES[backend]:
                yield Row(options.env, backend, policy, num_episodes, options.seconds)


def main(arguments: list[str] | None = None) -> None:
    """Prints tables; `--json` writes the measurements."""
    command = "python -m benchmarks.throughput"
    parser = argparse.ArgumentParser(prog=command, description=__doc__)
    parser.add_argument("--env", default="CartPole-v1", help="default: %(default)s")
    parser.add_argument(
        "--backends", nargs="+", choices=EPISODES, default=list(EPISODES), help="default: both"
    )
    parser.add_argument(
        "--policies", nargs="+", choices=["untrained", "balancing"], help="default: those there are"
    )
    parser.add_argument(
        "--episodes", nargs="+", type=count, help="of each update; default: %(default)s"
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=5.0,
        help="of measuring for each row; default: %(default)s",
    )
    parser.add_argument("--json", type=file_to_write(".json"), metavar="PATH")
    options = parser.parse_args(arguments)
    with one_message(command):
        inspect_environment(options.env, {})
        rows = list(_rows(options))
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # of the processes that measure
        fresh = ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1)
        with fresh as processes:
            results = processes.map(measure, rows)
            quiet = not sys.stderr.isatty()
            measured = list(tqdm(results, total=len(rows), unit=" rows", disable=quiet))
        print_tables(measured)
        report.write(options.json, command, measured)


if __name__ == "__main__":
    main()
