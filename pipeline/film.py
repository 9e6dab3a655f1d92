"""Stage `film`: the exported policy plays an episode, filmed for the report."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from pipeline.acting import loaded_apart
from pipeline.artifacts import replacing, write_json
from pipeline.environments.specification import EnvironmentSpecification
from pipeline.errors import UserError
from pipeline.play import (
    describe_policy,
    make_environment,
    naming,
    picture_rate,
    play_episodes,
    prepare_pictures,
    read_specification,
)
from pipeline.recording import Limits, Recording
from pipeline.stage import Task, run_stage

SEED = 0  # as `play` has it where it is told no other: there the same episode can be seen whole
LIMITS = Limits(max_seconds=8, max_size=(320, 320), max_rate=25, max_colors=64)
MAX_BYTES = 200_000  # the report holds the films of all tasks


def film(task: Task) -> None:
    """Films an episode of the exported policy, greedy; where nothing can be drawn, says why."""
    policy = task.files.policy
    specification = read_specification(policy / "spec.json")
    reason = why_not_drawn(specification)
    with replacing(task.files.film) as folder:
        folder.mkdir()
        played = {} if reason else film_episode(policy, specification, folder / "film.gif")
        write_json(folder / "episode.json", {"why_not": reason} | played)
    print(f"{task.name}: {reason or 'an episode'}; in {task.files.film}")


def why_not_drawn(specification: EnvironmentSpecification) -> str | None:
    """Why there can be no pictures of an environment here; None if there can."""
    try:
        env = make_environment(specification, "rgb_array")
        with closing(env), naming(specification.id):
            env.reset(seed=SEED)
            Recording(picture_rate(env), LIMITS).offer(env.render)
    except UserError as error:
        return str(error)
    return None


def film_episode(
    policy: Path, specification: EnvironmentSpecification, gif: Path
) -> dict[str, Any]:
    """Plays one episode and writes the film of its beginning, of at most `MAX_BYTES`.

    Args:
        policy: The folder of the SavedModel.
        specification: The environment, which can be drawn.
        gif: Where to write the film.

    Returns:
        What became of the episode, and how much of it is shown.

    Raises:
        UserError: If the SavedModel is damaged or does not fit, or the environment fails.
    """
    with ExitStack() as stack:
        env = stack.enter_context(closing(make_environment(specification, "rgb_array")))
        chosen = describe_policy(policy, specification, sampled=False)
        choose = stack.enter_context(loaded_apart(chosen))
        recording = Recording(picture_rate(env), LIMITS)
        (episode,) = play_episodes(
            env, choose, 1, SEED, specification.id, lambda: recording.offer(env.render)
        )
    recording.save(gif)
    while gif.stat().st_size > MAX_BYTES and len(recording.frames) > 1:
        recording.halve()
        recording.save(gif)
    return {
        "episode_return": episode.episode_return,
        "num_steps": episode.length,
        "seconds": sum(recording.durations) / 1000,
        "is_cut": recording.is_cut,
    }


if __name__ == "__main__":
    prepare_pictures("rgb_array")
    run_stage(film)
