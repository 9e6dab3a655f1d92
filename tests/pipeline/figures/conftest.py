"""Tables like those of the stages, for pictures of all kinds of tasks."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.task.artifacts import Table


class Tables(NamedTuple):
    """The tables that a task's pictures are drawn from."""

    learning_curve: Table
    evaluation: Table
    action_distribution: Table
    visited: Table


def make_tables(
    num_runs: int = 5,
    num_updates: int = 50,
    episodes_per_update: int = 32,
    kind: str = "probability",
    num_actions: int = 2,
    num_values: tuple[int, ...] = (),
    num_observations: int = 4,
    num_visited: int = 500,
) -> Tables:
    """Make tables of a task in which the first action is learned.

    With `num_observations` 0, there is one constant observation. Kind "component" has one component
    for each entry of `num_values`, with that many values; kind "bit" has `num_actions` components
    of 0 or 1.
    """
    num_actions = sum(num_values) or num_actions
    random = np.random.default_rng(0)
    run, update = (i.ravel() for i in np.indices((num_runs, num_updates)))
    progress = (update + 1) / num_updates
    num_episodes = (update + 1) * episodes_per_update
    learning_curve = {
        "run": run,
        "update": update,
        "num_episodes": num_episodes,
        # One-step episodes if nothing is observed; otherwise longer ones in later runs.
        "num_env_steps": num_episodes * (1 if num_observations == 0 else 10 + run),
        "mean_return": 500 * progress + random.normal(size=run.size),
        "kept": np.zeros_like(run),
    }
    rows = np.indices((num_runs, 2, 20)).reshape(3, -1)
    evaluation = {
        "run": rows[0],
        "mode": np.array(["greedy", "sampled"])[rows[1]],
        "episode": rows[2],
        "episode_return": random.normal(100, 10, size=rows.shape[1]),
    }
    run, point = (i.ravel() for i in np.indices((num_runs, num_updates + 1)))
    logits = np.outer(point / num_updates, [2.0, *[0.0] * (num_actions - 1)])
    action_distribution = {"run": run, "num_episodes": point * episodes_per_update}
    observations = random.normal(size=(num_visited, num_observations or 1))
    if num_observations == 0:
        observations[:] = 1
    visited = {f"observation_{i}": column for i, column in enumerate(observations.T)}
    return Tables(
        learning_curve,
        evaluation,
        action_distribution | _distribution(kind, logits, num_values),
        visited
        | _distribution(kind, np.outer(observations[:, 0], np.arange(num_actions)), num_values),
    )


def _distribution(kind: str, parameters: np.ndarray, num_values: tuple[int, ...]) -> Table:
    if kind == "probability":
        return {f"probability_{i}": column for i, column in enumerate(_softmax(parameters).T)}
    if kind == "component":
        logits = np.split(parameters, np.cumsum(num_values)[:-1], axis=1)
        return {
            f"probability_{i}_{a}": column
            for i, component in enumerate(logits)
            for a, column in enumerate(_softmax(component).T)
        }
    if kind == "bit":
        return {f"probability_{i}_1": 1 / (1 + np.exp(-z)) for i, z in enumerate(parameters.T)}
    columns = {}
    for i, column in enumerate(parameters.T):
        columns[f"mean_{i}"] = column
        columns[f"standard_deviation_{i}"] = np.full_like(column, 0.5)
    return columns


def _softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


CASES: dict[str, dict[str, Any]] = {
    "bandit": {
        "num_runs": 20,
        "num_updates": 300,
        "episodes_per_update": 1,
        "num_observations": 0,
    },
    "cartpole": {"num_updates": 125, "episodes_per_update": 16},
    "pendulum": {"num_runs": 3, "kind": "mean", "num_actions": 1, "num_observations": 3},
    "one run, one update": {"num_runs": 1, "num_updates": 1, "num_visited": 1},
    "many runs, one update": {"num_runs": 3, "num_updates": 1, "num_visited": 30},
    "many updates": {"num_runs": 2, "num_updates": 2_000},
    "many actions": {"num_actions": 12},
    "many observations": {"kind": "mean", "num_actions": 2, "num_observations": 30},
    "components": {"kind": "component", "num_values": (3, 2), "num_runs": 3},
    "one component": {"kind": "component", "num_values": (2,), "num_observations": 2},
    "many components": {"kind": "component", "num_values": (5, 2, 4), "num_observations": 6},
    "bits": {"kind": "bit", "num_actions": 3},
    "one bit": {"kind": "bit", "num_actions": 1, "num_observations": 0},
    "many bits": {"kind": "bit", "num_actions": 12},
    "many dimensions": {"kind": "mean", "num_actions": 9, "num_observations": 6},
}


@pytest.fixture(params=CASES)
def tables(request: pytest.FixtureRequest) -> Tables:
    """Return the tables of each case."""
    return make_tables(**CASES[request.param])


@pytest.fixture(name="make_tables")
def _make_tables():
    return make_tables
