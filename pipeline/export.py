"""Stage `export`: the trained policies as SavedModels.

It does nothing else: what ran earlier in a process changes the bytes of a SavedModel.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pipeline.artifacts import Table, copy_folder, read_table, replacing, write_json
from pipeline.seeds import Purpose, stream
from pipeline.stage import Task, run_stage, start_tensorflow


def export(task: Task) -> None:
    """Exports each run's policy as a SavedModel, and once more that of the best run."""
    start_tensorflow()
    from models.servable import save
    from pipeline.policies import make_policy, read_weights, set_weights

    params, files = task.params, task.files
    any_seed = stream(task.seed, Purpose.INITIAL_WEIGHTS, run=0)  # the weights are replaced
    policy = make_policy(params.policy, task.specification, any_seed)
    weights = read_weights(files.final_weights, policy, params.num_runs)
    returns = final_returns(read_table(files.learning_curve, ["run", "mean_return"]))
    chosen = int(np.argmax(returns))
    with replacing(files.policies) as folder:
        for run in range(params.num_runs):
            set_weights(policy, weights, run)
            save(policy, folder / str(run))
            write_json(folder / str(run) / "spec.json", describe(task, run))
    copy_folder(files.policies / str(chosen), files.policy)
    print(
        f"{task.name}: exported {params.num_runs} policies; chose run {chosen}, mean return "
        f"{returns[chosen]:.4g} over its last training episodes"
    )


def final_returns(curve: Table) -> np.ndarray:
    """Mean return over the last tenth of each run's updates (at least one), `[R]`."""
    runs = [curve["mean_return"][curve["run"] == run] for run in np.unique(curve["run"])]
    return np.array([returns[-max(1, len(returns) // 10) :].mean() for returns in runs])


def describe(task: Task, run: int) -> dict[str, Any]:
    """What a user of the SavedModel needs to know, as JSON."""
    specification = task.specification
    observation, action = specification.observation_space, specification.action_space
    return {
        "environment": {
            "id": specification.id,
            "kwargs": dict(specification.kwargs),
            "max_episode_steps": specification.max_episode_steps,
        },
        "observation_space": _describe_space(observation),
        "action_space": _describe_space(action),
        "task": task.name,
        "run": run,
        "parameters": {"seed": task.seed} | task.params.model_dump(mode="json"),
        "signatures": {
            "serving_default": "observation -> action, the most probable one",
            "sample": "observation, seed [2] -> action for the environment, raw_action as sampled, "
            "log_prob of raw_action",
            "distribution": "observation -> parameters of the action distribution",
            "log_prob": "observation, action as sampled -> log_prob",
        },
    }


def _describe_space(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """A space as JSON; infinite bounds, for which JSON has no word, are null."""
    described: dict[str, Any] = {"type": type(space).__name__, "dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return described | {"n": int(space.n), "start": int(space.start)}
    assert isinstance(space, spaces.Box)
    bounds = {"low": space.low, "high": space.high}
    return described | {
        "shape": list(space.shape),
        **{name: _finite(bound.astype(float).tolist()) for name, bound in bounds.items()},
    }


def _finite(value: Any) -> Any:
    """Nested lists of floats with null for what is infinite."""
    if isinstance(value, list):
        return [_finite(element) for element in value]
    return value if np.isfinite(value) else None


if __name__ == "__main__":
    run_stage(export)
