"""Stage `export`: the trained policies as SavedModels.

It does nothing else: what ran earlier in a process changes the bytes of a SavedModel.
"""

import errno
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from models.savedmodel import ServablePolicy
from pipeline.build.policies import make_policy, read_weights, set_weights
from pipeline.description import describe_flattening, describe_mask, describe_space
from pipeline.digests import folder_digests
from pipeline.task.artifacts import (
    Table,
    copy_folder,
    read_table,
    replacing,
    stale_file,
    write_json,
)
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from pipeline.wording import number


def export(task: Task) -> None:
    """Export each run's policy as a SavedModel, and once more that of the best run."""
    params, files = task.params, task.files
    any_seed = task.stream(Purpose.INITIAL_WEIGHTS, run=0)  # the weights are replaced
    policy = make_policy(params.policy, task.specification, any_seed)
    weights = read_weights(files.final_weights, policy, params.num_runs)
    curve = read_table(files.learning_curve, ["run", "mean_return", "kept"])
    if any(curve[n].dtype.kind == "U" or not np.isfinite(curve[n]).all() for n in curve):
        raise stale_file(files.learning_curve, "finite numbers", "something else")
    returns = final_returns(curve)
    if len(returns) != params.num_runs:
        expected = f"a learning curve of {params.num_runs} runs"
        raise stale_file(files.learning_curve, expected, f"one of {len(returns)}")
    chosen = int(np.argmax(returns))
    servable = ServablePolicy(policy)
    with replacing(files.policies) as folder:
        for run in range(params.num_runs):
            set_weights(policy, weights, run)
            try:
                servable.save(folder / str(run))
            except tf.errors.OpError as error:  # a full disk, behind a path that will be gone
                raise OSError(errno.EIO, error.message.rpartition("; ")[2]) from error
            digests = folder_digests(folder / str(run))
            write_json(
                folder / str(run) / "spec.json", specification_of(task, run) | {"sha256": digests}
            )
    copy_folder(files.policies / str(chosen), files.policy)
    print(
        f"{task.name}: policies exported; chose run {chosen} of {params.num_runs}, mean return "
        f"{number(returns[chosen])} over its last training episodes"
    )


def final_returns(curve: Table) -> np.ndarray:
    """Mean return over the last tenth of each run's updates (at least one), `[R]`.

    Of a run whose trained policy is one that was kept on the way: up to that one's update.
    """
    means = []
    for run in np.unique(curve["run"]):
        of_run = curve["run"] == run
        returns, kept = curve["mean_return"][of_run], np.flatnonzero(curve["kept"][of_run])
        end = kept[0] + 1 if len(kept) else len(returns)
        means.append(returns[max(0, end - max(1, len(returns) // 10)) : end].mean())
    return np.array(means)


def specification_of(task: Task, run: int) -> dict[str, Any]:
    """Describe the SavedModel for its users, as JSON; infinities are "inf" and "-inf"."""
    specification = task.specification
    mask = specification.action_mask
    seen = "observation, action_mask" if mask else "observation"
    return _jsonable(
        {
            "environment": {
                "id": specification.id,
                "kwargs": specification.kwargs,
                "max_episode_steps": specification.max_episode_steps,
                **({"action_mask": mask.name} if mask else {}),
            },
            "observation_space": describe_space(specification.observation_space),
            "observation": {
                "shape": [specification.observation_size],
                "dtype": "float32",
                "from": "gymnasium.spaces.flatten(observation_space, observation)",
                "parts": describe_flattening(specification.observation_space),
            },
            **({"action_mask": describe_mask(mask)} if mask else {}),
            "action_space": describe_space(specification.action_space),
            "task": task.name,
            "run": run,
            "parameters": {"seed": task.seed} | task.params.model_dump(),
            "signatures": {
                "serving_default": f"{seen} -> action, the most probable one (of a squashed "
                "Normal: the median)",
                "sample": f"{seen}, seed [2] -> action for the environment, raw_action as "
                "sampled, before it is clipped or squashed, log_prob",
                "distribution": f"{seen} -> parameters of the action distribution (of a "
                "squashed Normal: before it is squashed)",
                "log_prob": f"{seen}, action (a raw_action) -> log_prob",
            },
        }
    )


def _jsonable(value: Any) -> Any:
    """The same in what JSON has: no tuples, and text for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _jsonable(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(element) for element in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
