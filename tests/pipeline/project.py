"""A small made-up project whose stages have run, for tests of plots and the report."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from environments.specification import inspect_environment
from pipeline.plot import plot
from pipeline.task.artifacts import write_json, write_table
from pipeline.task.files import TaskFiles
from tests.pipeline.small_task import write_params

REPOSITORY = Path(__file__).parents[2]
METRICS = {
    "greedy": -146.326,
    "greedy_low": -153.02,
    "greedy_high": -139.767,
    "greedy_worst_run": -156.502,
    "sampled": 0.6641,
    "sampled_low": 0.6537,
    "sampled_high": 0.6736,
    "sampled_worst_run": 0.632,
    "objective": 12.34,
    "objective_before": -5.0,
}


def write_project(folder: Path, tasks: Mapping[str, Any]) -> None:
    """Write params.yaml, dvc.yaml and the files that the report reads, for all tasks.

    Args:
        folder: The folder of the project.
        tasks: The sections of params.yaml.
    """
    write_params(folder, **tasks)
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    for name in tasks:
        files = TaskFiles(folder / "data" / name)
        write_tables(files)
        Image.new("RGB", (9, 5)).save(files.variance_picture)
        plot(plotted(name, files))
        write_json(files.metrics, {name: METRICS})
        write_film(files.film)


def plotted(name: str, files: TaskFiles) -> Any:
    """Make the attributes of a task that the stage `plot` reads."""
    specification = inspect_environment("Bandit-v0", {})
    return SimpleNamespace(name=name, files=files, specification=specification)


def write_tables(files: TaskFiles) -> None:
    """Write the tables of two runs of a small bandit."""
    run, point = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    curve = {"run": run, "num_episodes": point + 1, "num_env_steps": point + 1}
    curve |= {"mean_return": np.array([0.0, 1.0, 0.0, 0.0])}
    curve |= {"entropy": np.array([0.7, 0.5, 0.7, 0.3]), "gradient_norm": np.array([1.0, 2, 3, 4])}
    write_table(files.learning_curve, curve)
    evaluation = {"run": run, "mode": np.array(["greedy", "sampled"] * 2), "episode": run * 0}
    write_table(files.evaluation, evaluation | {"episode_return": np.array([1.0, 0.0, 1.0, 1.0])})
    second = np.array([0.5, 0.6, 0.5, 0.4])
    distribution = {"probability_0": 1 - second, "probability_1": second}
    write_table(files.action_distribution, {"run": run, "num_episodes": point} | distribution)
    write_table(files.visited, {"observation_0": np.ones(4)} | distribution)
    at_one_point = {name: values[:1] for name, values in distribution.items()}
    write_table(files.plane, {"observation_0": np.ones(1)} | at_one_point)
    write_table(files.episode, {"reward": np.ones(1), "action_0": np.ones(1, int)})
    estimates = ("total_variance", "relative_variance", "signal_to_noise", "num_episodes_for_1")
    write_table(
        files.variance,
        {"policy": np.array(["initial", "trained"]), "baseline": np.array(["none", "per_step"])}
        | {name: np.array([2, 2]) for name in ("num_runs", "num_batches", "num_episodes")}
        | {f"{name}{end}": np.ones(2) for name in estimates for end in ("", "_low", "_high")},
    )


def write_film(folder: Path) -> None:
    """Write a film of two frames of 6 × 4 pixels, and film.json."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second = (Image.new("P", (6, 4), color) for color in (0, 9))
    first.save(folder / "film.gif", save_all=True, append_images=[second], duration=40)
    episode = {"episode_return": 23.0, "num_steps": 41, "seconds": 8.0, "is_cut": True}
    write_json(folder / "film.json", {"why_not": None} | episode)
