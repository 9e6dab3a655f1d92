"""Stage `plot`: draw the results of the earlier stages, and film an episode."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from environments.specification import has_bounds
from pipeline.figures.evaluation import draw_evaluation, evaluation_part
from pipeline.figures.film import film
from pipeline.figures.learning_curve import draw_learning_curve, progress_part, returns_part
from pipeline.figures.panel import Part
from pipeline.figures.plane import draw_plane
from pipeline.figures.policy import draw_policy, policy_parts
from pipeline.figures.style import png
from pipeline.figures.svg import FULL, HALF, svgs
from pipeline.task.artifacts import atomic_write, read_table, write_json
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.task import Task


def plot(task: Task) -> None:
    """Draw a task's pictures and film an episode, from the files of the earlier stages."""
    bounded = has_bounds(task.specification.action_space)
    pictures = draw_pictures(task.files, task.name, bounded)
    panels = draw_panels(task.files, task.name, bounded)
    with atomic_write(task.files.plots) as folder:
        folder.mkdir()
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture)
    write_json(task.files.panels, panels)
    print(f"{task.name}: wrote {', '.join(pictures)} to {task.files.plots}")
    film(task)


def draw_pictures(files: TaskFiles, task: str, bounded: bool) -> dict[str, bytes]:
    """Draw a task's pictures as PNG, by file name.

    Args:
        files: The files of the task, with the tables.
        task: The task's name, for the titles.
        bounded: Whether its actions are clipped or squashed to bounds.

    Raises:
        UserError: If a table is missing or damaged, or cannot be drawn.
    """
    pictures = {}
    with _prefix_errors(files.learning_curve):
        curve = read_table(
            files.learning_curve, ["run", "num_episodes", "num_env_steps", "mean_return"]
        )
        pictures["learning_curve.png"] = png(draw_learning_curve(curve, task))
    with _prefix_errors(files.evaluation):
        evaluation = read_table(files.evaluation, ["run", "mode", "episode_return"])
        pictures["evaluation.png"] = png(draw_evaluation(evaluation, task))
    with _prefix_errors(files.action_distribution, files.visited):
        distributions = read_table(files.action_distribution, ["run", "num_episodes"])
        visited = read_table(files.visited, ["observation_0"])
        pictures["policy.png"] = png(draw_policy(distributions, visited, task, bounded))
    with _prefix_errors(files.plane):
        plane = read_table(files.plane, [])
        if len(next(iter(plane.values()))) > 1:  # else the plane is a single point
            pictures["plane.png"] = png(draw_plane(plane, task, bounded))
    return pictures


def draw_panels(files: TaskFiles, task: str, bounded: bool) -> dict[str, Any]:
    """Draw a task's parts of the report, by name, each with its note and panels.

    Args:
        files: The files of the task, with the tables.
        task: The task's name, which makes identifiers unique in the report.
        bounded: Whether its actions are clipped or squashed to bounds.

    Raises:
        UserError: If a table is missing or damaged, or cannot be drawn.
    """
    parts: dict[str, Part] = {}
    with _prefix_errors(files.learning_curve):
        columns = ["run", "num_episodes", "num_env_steps", "mean_return", "entropy"]
        curve = read_table(files.learning_curve, [*columns, "gradient_norm"])
        parts |= {"returns": returns_part(curve), "progress": progress_part(curve)}
    with _prefix_errors(files.evaluation):
        evaluation = read_table(files.evaluation, ["run", "mode", "episode_return"])
        parts["evaluation"] = evaluation_part(evaluation)
    with _prefix_errors(files.action_distribution, files.visited):
        distributions = read_table(files.action_distribution, ["run", "num_episodes"])
        visited = read_table(files.visited, ["observation_0"])
        parts["policy"], parts["observations"] = policy_parts(distributions, visited, bounded)
    return {name: _drawn(part, f"{task}-{name}") for name, part in parts.items()}


def _drawn(part: Part, name: str) -> dict[str, Any]:
    """Convert a part to JSON."""
    elements = svgs(part, name, HALF if name.endswith("observations") else FULL)
    panels = [
        {"title": panel.title, "summary": panel.summary, "svg": element}
        for panel, element in zip(part.panels, elements, strict=True)
    ]
    return {"title": part.title, "note": part.note, "panels": panels}


@contextmanager
def _prefix_errors(*paths: Path) -> Iterator[None]:
    """Prefix errors with the paths of the tables while the context is open."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{', '.join(map(str, paths))}: {error}") from error
