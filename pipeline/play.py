"""Play episodes with an exported policy. Only its SavedModel and spec.json are needed."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from environments.faults import closing_quietly
from environments.randomness import seed_global_generators
from environments.specification import EnvironmentSpecification, inspect_environment
from pipeline.acting import Choose, ExportedPolicy, load, load_in_subprocess
from pipeline.evaluation.folders import read_policy_spec
from pipeline.figures.recording import Limits, Recording
from pipeline.playing.environments import (
    Environment,
    choose_action,
    make_environment,
    picture_rate,
    prefix_errors,
    take_step,
)
from pipeline.process.arguments import count, file_to_write
from pipeline.process.display import draw_offscreen, has_display
from pipeline.process.messages import exit_with_message
from pipeline.task.artifacts import atomic_write
from pipeline.task.errors import UserError
from pipeline.task.task import DATA

LIMITS = Limits()


class Episode(NamedTuple):
    """The return and the length of one episode."""

    episode_return: float
    length: int  # env steps


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit as `exit_with_message` does, or with status 2 for bad arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    with exit_with_message(parser.prog):
        folder = find_policy(options.policy)
        play(
            folder,
            env_id=options.env,
            trusted=options.trust or folder != Path(options.policy),  # this project's policy
            num_episodes=options.episodes,
            seed=options.seed,
            sampled=options.sampled,
            gif=options.gif,
            human=options.human,
        )


def play(
    folder: Path,
    *,
    num_episodes: int,
    seed: int,
    sampled: bool,
    gif: Path | None,
    human: bool,
    env_id: str | None = None,
    trusted: bool = False,
) -> None:
    """Play episodes; print the return and length of each as it ends, and then their means.

    Args:
        folder: The folder of the SavedModel and spec.json.
        num_episodes: The number of episodes, at least 1.
        seed: Determines initial states, transitions and sampled actions; at least 0.
        sampled: Whether to sample actions. False: take the greedy ones.
        gif: The animated GIF to write, if any.
        human: Whether the environment renders in a window.
        env_id: The environment to play in. Defaults to the one in spec.json.
        trusted: Whether any code that the folder names or contains may run. Defaults to False.

    Raises:
        UserError: If a file is missing or damaged, the policy does not fit the environment, or the
            environment fails.
    """
    mode = "rgb_array" if gif else "human" if human else None
    if gif:
        draw_offscreen()
    elif human:
        _require_display()
    specification = read_environment(folder, env_id, trusted=trusted)
    policy = ExportedPolicy(
        folder,
        trusted,
        sampled,
        specification.id,
        specification.observation_size,
        specification.action_mask.size if specification.action_mask else 0,
        tuple(specification.action_space.shape or ()),
    )
    name = f"{specification.id} in a window" if human else specification.id
    with ExitStack() as stack:
        env = stack.enter_context(closing_quietly(make_environment(specification, mode)))
        choose = stack.enter_context(load_in_subprocess(policy)) if mode else load(policy)
        if gif is None:
            _report(play_episodes(env, choose, num_episodes, seed, name))
            return
        written = stack.enter_context(atomic_write(gif))
        recording = Recording(picture_rate(env), LIMITS)
        episodes = play_episodes(
            env, choose, num_episodes, seed, name, lambda: recording.offer(env.render)
        )
        _report(episodes)
        with prefix_errors(str(gif)):
            recording.save(written)
    cut = f"; cut off at the limit of {LIMITS.max_frames} frames" * recording.is_cut
    print(
        f"{gif}: {len(recording.frames)} frames, {sum(recording.durations) / 1000:g} seconds{cut}"
    )


def find_policy(name: str) -> Path:
    """Find the folder of a policy's SavedModel: `name`, or `data/<name>/policy`.

    Raises:
        UserError: If neither contains a SavedModel.
    """
    folders = [Path(name)]
    if name == Path(name).name:
        folders.append(DATA / name / "policy")
    for folder in folders:
        if (folder / "saved_model.pb").is_file():
            return folder
    raise UserError(
        f"expected the name of a task or the folder of a SavedModel, received {name!r}: no "
        f"saved_model.pb in {' or '.join(map(str, folders))}; `dvc repro` exports the policies"
    )


def _require_display() -> None:
    """Raise UserError if there is no display for a window."""
    # Checked here, because pygame would render invisibly and GLFW would abort the process.
    if not has_display() and "SDL_VIDEODRIVER" not in os.environ:
        raise UserError(
            "--human: expected a display, received no DISPLAY variable; use --gif instead"
        )


def read_environment(
    folder: Path, env_id: str | None = None, *, trusted: bool = False
) -> EnvironmentSpecification:
    """Inspect the environment that a folder's spec.json names.

    Args:
        folder: The folder of the SavedModel and spec.json.
        env_id: The user's choice of environment. Defaults to the one in spec.json.
        trusted: Whether a module that spec.json names may be imported. Defaults to False.

    Raises:
        UserError: If spec.json is missing, damaged or inconsistent with the other files, if there
            is no such environment, or if its module may not be imported.
    """
    location = f"{folder / 'spec.json'}: environment"
    env = read_policy_spec(folder).environment
    if ":" in env.id and not (env_id or trusted):
        raise UserError(
            f"{location}.id: expected the id of an installed environment, received {env.id!r}, "
            "whose module can run any code when it is imported; to import it, use "
            f"`--env {env.id}` or --trust"
        )
    with prefix_errors("--env" if env_id else location):
        kwargs = _with_infinities(env.kwargs)
        return inspect_environment(env_id or env.id, kwargs, env.max_episode_steps, env.action_mask)


def _with_infinities(value: Any) -> Any:
    """Convert "inf" and "-inf" back to numbers: JSON has no infinities, so spec.json uses text."""
    if isinstance(value, dict):
        return {key: _with_infinities(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_with_infinities(element) for element in value]
    return float(value) if value in ("inf", "-inf") else value


def play_episodes(
    env: Environment,
    choose: Choose,
    num_episodes: int,
    seed: int,
    name: str,
    show: Callable[[], None] = lambda: None,
) -> Iterator[Episode]:
    """Play one episode after another.

    Args:
        env: The environment.
        choose: The policy.
        num_episodes: The number of episodes.
        seed: Seeds the environment, once, and the actions.
        name: The environment's name in error messages.
        show: Called after each reset and step. Defaults to doing nothing.

    Yields:
        Each episode as it ends.

    Raises:
        UserError: If the environment, the policy or `show` raises anything.
    """
    generator = np.random.default_rng([seed, 1])  # differs from the environment's generator
    seed_global_generators(seed)

    def seeded(observations: np.ndarray) -> np.ndarray:
        return choose(observations, generator.integers(-(2**31), 2**31, size=2, dtype=np.int32))

    for number in range(num_episodes):
        length, episode_return, ended = 0, 0.0, False
        with prefix_errors(f"{name}: episode {number + 1}, reset"):
            observation, _ = env.reset(seed=None if number else seed)
            show()
        while not ended:
            length += 1
            with prefix_errors(f"{name}: episode {number + 1}, step {length}"):
                action = choose_action(env, seeded, observation)
                observation, reward, ended = take_step(env, action)
                episode_return += reward
                show()
        yield Episode(episode_return, length)


def _report(episodes: Iterator[Episode]) -> None:
    played = []
    for episode in episodes:
        played.append(episode)
        print(
            f"episode {len(played)}: return {episode.episode_return:.5g}, length {episode.length}",
            flush=True,
        )
    mean_return, mean_length = np.mean(played, axis=0)
    print(f"mean: return {mean_return:.5g}, length {mean_length:.5g}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline play", description=__doc__)
    parser.add_argument(
        "policy",
        metavar="POLICY",
        help="a task, whose policy is in data/<task>/policy, or the folder of a SavedModel",
    )
    parser.add_argument(
        "--env",
        metavar="ID",
        help="the environment to play in (default: the one in spec.json)",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the module that spec.json names, and load a SavedModel with any operations; "
        "both can run any code",
    )
    parser.add_argument(
        "--episodes",
        type=count,
        default=5,
        metavar="N",
        help="number of episodes (default: %(default)s)",
    )
    parser.add_argument(
        "--sampled",
        action="store_true",
        help="sample actions instead of taking the greedy ones",
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="S", help="random seed (default: %(default)s)"
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--gif",
        type=file_to_write(".gif"),
        metavar="FILE",
        help=f"write the episodes as an animated GIF, at most {LIMITS.max_frames} frames",
    )
    pictures.add_argument("--human", action="store_true", help="show the episodes in a window")
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to {2**31 - 1}, received {text!r}"
        )
    return int(text)
