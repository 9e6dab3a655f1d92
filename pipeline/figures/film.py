"""The film for the report: the episode that `evaluate` recorded, as an animated GIF."""

from pathlib import Path
from typing import Any

from environments.faults import closing_quietly
from environments.specification import EnvironmentSpecification
from pipeline.figures.recording import Limits, Recording
from pipeline.playing.environments import make_environment, picture_rate
from pipeline.playing.replay import column_names, replay
from pipeline.task.artifacts import Table, atomic_write, read_table, write_json
from pipeline.task.errors import USER_ERRORS
from pipeline.task.task import Task

LIMITS = Limits(max_seconds=6, max_size=(320, 320), max_rate=15, max_colors=64)
MAX_BYTES = 200_000  # the report holds the films of all tasks


def film(task: Task) -> None:
    """Film the recorded episode of the exported policy, or write why that is impossible."""
    columns = column_names(task.specification.action_space)
    episode = read_table(task.files.episode, columns)
    with atomic_write(task.files.film) as folder:
        folder.mkdir()
        try:
            shown = film_episode(task.specification, episode, folder / "film.gif")
            reason = None
        except USER_ERRORS as error:
            shown, reason = {}, str(error)
        write_json(folder / "film.json", {"why_not": reason} | shown)
    outcome = f"no film: {reason}" if reason else f"wrote a film to {task.files.film}"
    print(f"{task.name}: {outcome}")


def film_episode(
    specification: EnvironmentSpecification, episode: Table, gif: Path
) -> dict[str, Any]:
    """Replay an episode and film its beginning, in at most `MAX_BYTES`.

    Args:
        specification: The environment.
        episode: As `replay.record` returns it.
        gif: The path of the film.

    Returns:
        The episode's return and length, the seconds shown, and whether the film is cut short.

    Raises:
        UserError: If the environment cannot be drawn here, fails, or is not reproducible.
    """
    with closing_quietly(make_environment(specification, "rgb_array")) as env:
        recording = Recording(picture_rate(env), LIMITS)
        replay(env, episode, specification.id, lambda: recording.offer(env.render))
    recording.save(gif)
    while gif.stat().st_size > MAX_BYTES and len(recording.frames) > 1:
        recording.halve()
        recording.save(gif)
    return {
        "episode_return": float(episode["reward"].sum()),
        "num_steps": len(episode["reward"]),
        "seconds": sum(recording.durations) / 1000,
        "is_cut": recording.is_cut,
    }
