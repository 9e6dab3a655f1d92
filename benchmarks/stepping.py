"""Cost of an env step through Gymnasium, split into environment, policy and bookkeeping.

Batches of episodes are sampled as in training, in as many environment copies, on one thread. The
policy has two hidden layers of 64 tanh units; it is untrained, and in CartPole also a balancing
one. While the last episodes of a batch finish, ever fewer copies are stepped together.

`environment` is the time in the environment copies. `policy` is the time in calls of the policy,
including its log-probabilities. `bookkeeping` is the rest. Times are wall-clock times, so other
work on the machine counts, too.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from benchmarks import report
from benchmarks.networks import make_measured_policy
from environments.specification import inspect_environment
from environments.vector.make import make_environments
from pipeline.process.arguments import count, seconds
from pipeline.process.messages import exit_with_message
from reinforce.sampling.actor import make_actor
from reinforce.sampling.gymnasium import GymnasiumSampler

COMMAND = "python -m benchmarks.stepping"
ENVIRONMENTS = (
    "CartPole-v1",
    "Pendulum-v1",
    "Acrobot-v1",
    "InvertedPendulum-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
)
EPISODES = (4, 16, 64)  # of a batch
PARTS = ("environment", "policy", "bookkeeping")
WARM_UP = 100  # env steps

Result = TypeVar("Result")


class Stopwatch:
    """The total time of calls, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Result]) -> Callable[..., Result]:
        """Wrap a function to add the time of its calls."""

        def call(*arguments: Any, **keywords: Any) -> Result:
            begun = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.perf_counter() - begun

        return call

    def watch(self, instance: Any, *names: str) -> None:
        """Replace methods of an object by timed ones."""
        for name in names:
            setattr(instance, name, self.timed(getattr(instance, name)))


def measure_stepping(env_id: str, kind: str, num_episodes: int, seconds: float) -> dict[str, Any]:
    """Sample batches for some seconds; return µs per env step for each of `PARTS`."""
    specification = inspect_environment(env_id, {})
    environments = make_environments(specification, num_episodes)
    actor = make_actor(make_measured_policy(specification, kind), environments.num_envs)
    environment, policy = Stopwatch(), Stopwatch()
    environment.watch(environments, "reset", "begin", "step")
    policy.watch(actor, "begin", "act", "log_prob")
    num_steps, part_seconds = 0, np.zeros(len(PARTS))
    with GymnasiumSampler(lambda: environments, actor, num_episodes) as sampler:
        for seed in np.random.SeedSequence(0).spawn(100_000):
            environment.seconds = policy.seconds = 0.0
            begun = time.perf_counter()
            episodes = sampler.sample(seed)
            total = time.perf_counter() - begun
            warmed_up = num_steps >= WARM_UP
            num_steps += int(episodes.num_steps.sum())
            if not warmed_up:
                measured_from = num_steps
                continue
            rest = total - environment.seconds - policy.seconds
            part_seconds += (environment.seconds, policy.seconds, rest)
            if part_seconds.sum() >= seconds:
                break
    costs = 1e6 * part_seconds / (num_steps - measured_from)
    return {"environment_id": env_id, "policy": kind, "num_episodes": num_episodes} | {
        f"{part}_us": float(cost) for part, cost in zip(PARTS, costs, strict=True)
    }


def print_stepping(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line for each environment and number of episodes."""
    print(
        report.aligned_table(
            [
                "environment",
                "policy",
                "episodes",
                *(f"{part}, µs" for part in PARTS),
                "environment's share",
            ],
            [
                [
                    *(row["environment_id"], row["policy"], str(row["num_episodes"])),
                    *(f"{row[f'{part}_us']:.1f}" for part in PARTS),
                    f"{row['environment_us'] / sum(row[f'{part}_us'] for part in PARTS):.0%}",
                ]
                for row in rows
            ],
        )
    )


def main(arguments: list[str] | None = None) -> None:
    """Print a table; write the measurements if `--json` is given."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "environments", nargs="*", metavar="ID", help=f"default: {', '.join(ENVIRONMENTS)}"
    )
    parser.add_argument(
        "--episodes",
        type=count,
        nargs="+",
        default=list(EPISODES),
        help="episodes of a batch; default: 4, 16 and 64",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=3.0, help="time for each row; default: %(default)s"
    )
    report.add_json(parser)
    options = parser.parse_args(arguments)
    with exit_with_message(COMMAND):
        cases = [
            (env_id, kind, num_episodes)
            for env_id in options.environments or ENVIRONMENTS
            for kind in ("untrained", "balancing")
            if kind == "untrained" or env_id.startswith("CartPole")
            for num_episodes in options.episodes
        ]
        rows = [
            measure_stepping(env_id, kind, num_episodes, options.seconds)
            for env_id, kind, num_episodes in tqdm(
                cases, unit=" rows", disable=not sys.stderr.isatty()
            )
        ]
        print_stepping(rows)
        report.write_measurements(options.json, COMMAND, rows)


if __name__ == "__main__":
    main()
