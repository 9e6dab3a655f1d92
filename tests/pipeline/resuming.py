"""Two small tasks that use every feature of the learner, and processes that train them."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.rollout import rollout
from pipeline.task.task import Task, load_task
from pipeline.train import train
from tests.pipeline.signals import restore_stop_signals
from tests.pipeline.small_task import BANDIT, write_params

REPOSITORY = Path(__file__).parents[2]
TASKS: dict[str, dict[str, Any]] = {
    name: copy.deepcopy(BANDIT) for name in ("compiled", "gymnasium")
}
TASKS["compiled"] |= {
    "num_runs": 2,
    "env": {"id": "CartPole-v1", "max_episode_steps": 40},
    "policy": {"hidden_sizes": [8], "activation": "tanh", "normalize_observations": True},
}
TASKS["compiled"]["train"] |= {
    "num_episodes": 4 * 100,
    "learning_rate_schedule": "linear",
    "baseline": "value",
    "value": {"hidden_sizes": [4], "steps_per_update": 2, "optimizer": "rmsprop"},
    "normalize_advantages": True,
}
TASKS["gymnasium"] |= {
    "env": {"id": "CartPole-v1", "max_episode_steps": 40, "backend": "gymnasium"},
    "policy": {"hidden_sizes": [8], "activation": "tanh", "normalize_observations": True},
}
TASKS["gymnasium"]["train"] |= {
    "num_episodes": 4 * 20,
    "optimizer": "sgd",
    "baseline": "value",
    "entropy_coefficient": 0.01,
    "max_gradient_norm": 0.5,
}


def prepared(folder: Path, name: str, **changes: Any) -> Task:
    """Run stage `rollout` of a task in `folder`, which must be the working directory."""
    task = load_task(write_params(folder, **{name: TASKS[name] | changes}), name)
    rollout(task)
    return task._replace(checkpoint_seconds=0)


def trained(task: Task) -> dict[str, bytes]:
    """Train a task to the end, in this process; return the files written, by name."""
    train(task)
    files = (task.files.final_weights, task.files.learning_curve, task.files.action_distribution)
    return {path.name: path.read_bytes() for path in files}


def start_training(folder: Path, name: str, num_workers: int = 1) -> "subprocess.Popen[str]":
    """Start training in a subprocess that writes a checkpoint at every opportunity."""
    params = (folder / "params.yaml").read_text()
    text = params.replace("num_workers: 1", f"num_workers: {num_workers}\ncheckpoint_seconds: 0")
    (folder / "attacked.yaml").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "train", name, "--params", "attacked.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_stop_signals,
    )
