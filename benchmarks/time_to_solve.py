"""How soon CartPole-v1 is solved: env steps and seconds until its sampled policy averages 475.

After every update, 100 separate episodes of the policy as it is are sampled; that time is not
counted. A run is solved at the first update after which they average at least 475.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import stack_weights
from pipeline.environments.specification import inspect_environment
from pipeline.params import PolicyParams, TrainParams
from pipeline.stage import start_tensorflow

SOLVED = 475.0
EVALUATION_EPISODES = 100


def measure(num_runs: int, episodes_per_update: int, max_env_steps: int) -> dict[str, Any]:
    """Trains runs until they are solved.

    Args:
        num_runs: How many, each with its own weights and random streams.
        episodes_per_update: Of each update.
        max_env_steps: After which a run is given up.

    Returns:
        Seconds of compilation, and for each run `env_steps`, `episodes`, `seconds` of training and
        whether it is `solved`.
    """
    start_tensorflow()
    from models.policy import Policy
    from pipeline import policies
    from pipeline.environments.compiled import make_compiled
    from pipeline.reinforce.compiled import CompiledTraining, compile_sampler

    train = TrainParams(
        num_episodes=episodes_per_update * max_env_steps,  # never reached
        episodes_per_update=episodes_per_update,
        gamma=0.99,
        optimizer="adam",
        learning_rate=0.01,
        baseline="per_step",
        normalize_advantages=True,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
    )
    specification = inspect_environment("CartPole-v1", {})
    environment = make_compiled(specification)
    network = PolicyParams(hidden_sizes=(64, 64), activation="tanh")

    def make_policy(run: int) -> Policy:
        return policies.make_policy(network, specification, np.random.SeedSequence([0, run]))

    policy = make_policy(0)
    learner = policies.make_learner(train, policy, specification.max_episode_steps)
    training = CompiledTraining(environment, learner, episodes_per_update, updates_per_call=1)
    sample = compile_sampler(environment, policy, episodes_per_update)
    evaluate = compile_sampler(environment, policy, EVALUATION_EPISODES)
    weights = stack_weights([policies.get_weights(make_policy(run)) for run in range(num_runs)])

    started = time.perf_counter()
    seed = np.random.SeedSequence(0)
    evaluate(seed)
    list(training.train_run(sample(seed), lambda _: seed, 1))
    compilation = time.perf_counter() - started

    def solve(run: int) -> dict[str, Any]:
        policies.begin_run(learner, train, weights, run, seed)
        started = time.perf_counter()
        updates = training.train_run(
            sample(np.random.SeedSequence([1, run])),
            lambda update: np.random.SeedSequence([2, run, update]),
            max_env_steps,
        )
        seconds = time.perf_counter() - started
        while True:
            started = time.perf_counter()
            record = next(updates)
            seconds += time.perf_counter() - started
            episodes = evaluate(np.random.SeedSequence([3, run, record.update]))
            solved = bool(episodes.episode_returns.mean() >= SOLVED)
            if solved or record.num_env_steps >= max_env_steps:
                return {
                    "env_steps": record.num_env_steps,
                    "episodes": record.num_episodes,
                    "seconds": seconds,
                    "solved": solved,
                }

    return {"compilation": compilation, "runs": [solve(run) for run in range(num_runs)]}


def main(arguments: list[str] | None = None) -> None:
    """Prints a table; `--json` writes the measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_solve", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--episodes-per-update", type=int, default=8)
    parser.add_argument("--max-env-steps", type=int, default=200_000)
    parser.add_argument("--json", type=Path, metavar="PATH")
    options = parser.parse_args(arguments)
    measured = measure(options.runs, options.episodes_per_update, options.max_env_steps)
    print("run  env steps  episodes  seconds of training")
    for run, row in enumerate(measured["runs"]):
        outcome = "" if row["solved"] else "  not solved"
        print(
            f"{run:3}  {row['env_steps']:9,}  {row['episodes']:8,}  {row['seconds']:.3f}{outcome}"
        )
    medians = {
        name: float(np.median([row[name] for row in measured["runs"]]))
        for name in ("env_steps", "episodes", "seconds")
    }
    num_solved = sum(row["solved"] for row in measured["runs"])
    print(
        f"solved {num_solved} of {len(measured['runs'])}; median {medians['env_steps']:,.0f} env "
        f"steps, {medians['episodes']:,.0f} episodes, {medians['seconds']:.3f} s, after "
        f"{measured['compilation']:.1f} s of compilation"
    )
    if options.json is not None:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
