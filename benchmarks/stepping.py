"""The cost of an env step through Gymnasium: of the environment itself, the policy, all the rest.

Episodes are sampled as in training, a few by each of the copies, which are stepped one after the
other; by an untrained policy with two hidden layers of 64 tanh units, and in CartPole by one that
balances, too; on one thread. When the last episodes end, fewer and fewer copies are stepped
together: with one episode for each copy that is much of the time. What is timed are the
environments' `step` and `reset`; the calls of the policy, with the way of observations and actions
there and back; and what is left, which is bookkeeping. Other work on the machine counts, too.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gymnasium
import numpy as np
from tqdm import tqdm

from benchmarks import report
from benchmarks.networks import make_measured_policy
from environments.specification import inspect_environment
from environments.vector.serial import SerialEnvironments
from pipeline.arguments import count, file_to_write, seconds
from pipeline.process.messages import exit_with_message
from reinforce.sampling.actor import CompiledActor
from reinforce.sampling.gymnasium import GymnasiumSampler

COMMAND = "python -m benchmarks.stepping"
ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1", "Acrobot-v1", "InvertedPendulum-v5")
COPIES = (1, 8, 64)
PARTS = ("environment", "policy", "bookkeeping")
WARM_UP = 100  # env steps

Result = TypeVar("Result")


class Stopwatch:
    """A sum of the seconds that functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Result]) -> Callable[..., Result]:
        """Wrap a function so that its calls count."""

        def call(*arguments: Any, **keywords: Any) -> Result:
            begun = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.perf_counter() - begun

        return call

    def watch(self, thing: Any, *names: str) -> None:
        """Make the calls of a thing's methods of these names count."""
        for name in names:
            setattr(thing, name, self.timed(getattr(thing, name)))


def measure_stepping(
    env_id: str, kind: str, num_envs: int, episodes_per_copy: int, seconds: float
) -> dict[str, Any]:
    """Sample by a policy of this kind for some seconds: µs per env step of each of `PARTS`."""
    specification = inspect_environment(env_id, {})
    actor = CompiledActor(make_measured_policy(specification, kind))
    copies = [gymnasium.make(env_id) for _ in range(num_envs)]
    environment, policy = Stopwatch(), Stopwatch()
    policy.watch(actor, "act", "log_prob")
    for copy in copies:
        environment.watch(copy, "step", "reset")
    num_steps, of_parts = 0, np.zeros(len(PARTS))
    num_episodes = episodes_per_copy * num_envs
    with GymnasiumSampler(lambda: SerialEnvironments(copies), actor, num_episodes) as sampler:
        for seed in np.random.SeedSequence(0).spawn(100_000):
            environment.seconds = policy.seconds = 0.0
            begun = time.perf_counter()
            episodes = sampler.sample(seed)
            whole = time.perf_counter() - begun
            warm = num_steps >= WARM_UP
            num_steps += int(episodes.num_steps.sum())
            if not warm:
                measured_from = num_steps
                continue
            rest = whole - environment.seconds - policy.seconds
            of_parts += (environment.seconds, policy.seconds, rest)
            if of_parts.sum() >= seconds:
                break
    costs = 1e6 * of_parts / (num_steps - measured_from)
    return {"environment_id": env_id, "policy": kind, "copies": num_envs} | {
        f"{part}_us": float(cost) for part, cost in zip(PARTS, costs, strict=True)
    }


def print_stepping(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line for each environment and number of copies."""
    print(
        report.aligned_table(
            [
                "environment",
                "policy",
                "copies",
                *(f"{part}, µs" for part in PARTS),
                "share of the first",
            ],
            [
                [
                    *(row["environment_id"], row["policy"], str(row["copies"])),
                    *(f"{row[f'{part}_us']:.1f}" for part in PARTS),
                    f"{row['environment_us'] / sum(row[f'{part}_us'] for part in PARTS):.0%}",
                ]
                for row in rows
            ],
        )
    )


def main(arguments: list[str] | None = None) -> None:
    """Print a table; `--json` writes the measurements."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "environments", nargs="*", metavar="ID", help=f"default: {', '.join(ENVIRONMENTS)}"
    )
    parser.add_argument("--copies", type=count, nargs="+", default=list(COPIES))
    parser.add_argument(
        "--episodes",
        type=count,
        default=8,
        help="sampled together for each copy; default: %(default)s",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=3.0, help="for each; default: %(default)s"
    )
    parser.add_argument("--json", type=file_to_write(".json"), metavar="PATH")
    options = parser.parse_args(arguments)
    with exit_with_message(COMMAND):
        asked = [
            (env_id, kind, num_envs)
            for env_id in options.environments or ENVIRONMENTS
            for kind in ("untrained", "balancing")
            if kind == "untrained" or env_id.startswith("CartPole")
            for num_envs in options.copies
        ]
        rows = [
            measure_stepping(env_id, kind, num_envs, options.episodes, options.seconds)
            for env_id, kind, num_envs in tqdm(asked, unit=" rows", disable=not sys.stderr.isatty())
        ]
        print_stepping(rows)
        report.write_measurements(options.json, COMMAND, rows)


if __name__ == "__main__":
    main()
