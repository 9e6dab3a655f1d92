"""Plays episodes of an exported policy, from its SavedModel and the spec.json beside it alone."""

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
from pipeline.arguments import count, file_to_write
from pipeline.evaluation.folders import read_policy_spec
from pipeline.figures.recording import Limits, Recording
from pipeline.playing.environments import (
    Environment,
    choose_action,
    make_environment,
    naming,
    picture_rate,
    take_step,
)
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
    """Runs the command; exits with status 2 for its arguments, else as `exit_with_message` says."""
    parser = _parser()
    options = parser.parse_args(arguments)
    with exit_with_message(parser.prog):
        folder = find_policy(options.policy)
        play(
            folder,
            env_id=options.env,
            trusted=options.trust or folder != Path(options.policy),  # this project's own
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
    """Plays episodes, and prints each one's return and length as it ends, and their means.

    Args:
        folder: Where the SavedModel and spec.json are.
        num_episodes: How many, at least 1.
        seed: Determines initial states, transitions and sampled actions, at least 0.
        sampled: Whether actions are drawn. Else the greedy ones are taken.
        gif: Where to write pictures of the episodes as an animated GIF, if anywhere.
        human: Whether the environment shows itself in a window.
        env_id: The environment to play in. Defaults to the one that spec.json names.
        trusted: Whether anything that the folder names or holds may be run. Defaults to False.

    Raises:
        UserError: If anything is missing, damaged or does not fit, or the environment fails.
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
        with naming(str(gif)):
            recording.save(written)
    cut = f"; the rest is left out, {LIMITS.max_frames} are the most" * recording.is_cut
    print(
        f"{gif}: {len(recording.frames)} frames, {sum(recording.durations) / 1000:g} seconds{cut}"
    )


def find_policy(name: str) -> Path:
    """The folder of a policy's SavedModel: `name`, or `data/<name>/policy`.

    Raises:
        UserError: If neither is one.
    """
    folders = [Path(name)]
    if name == Path(name).name:
        folders.append(DATA / name / "policy")
    for folder in folders:
        if (folder / "saved_model.pb").is_file():
            return folder
    raise UserError(
        f"expected the name of a task or the folder of a SavedModel, received {name!r}: no "
        f"saved_model.pb in {' or '.join(map(str, folders))}; `dvc repro` exports policies"
    )


def _require_display() -> None:
    """Raises UserError if a window is wanted and there is no display."""
    # Not left to the libraries: pygame would play unseen, and GLFW aborts the process.
    if not has_display() and "SDL_VIDEODRIVER" not in os.environ:
        raise UserError(
            "--human: expected a display for the window, received no DISPLAY; see --gif"
        )


def read_environment(
    folder: Path, env_id: str | None = None, *, trusted: bool = False
) -> EnvironmentSpecification:
    """Find the environment that a folder's spec.json names, as it is installed here.

    Args:
        folder: Where the SavedModel and spec.json are.
        env_id: The id that the user names instead of spec.json's, if any. Defaults to none.
        trusted: Whether a module that spec.json names may be imported. Defaults to False.

    Raises:
        UserError: If spec.json is missing or damaged, or does not belong to the other files, if
            there is no such environment, or if its module would be imported unasked.
    """
    place = f"{folder / 'spec.json'}: environment"
    env = read_policy_spec(folder).environment
    if ":" in env.id and not (env_id or trusted):
        raise UserError(
            f"{place}.id: expected the id of an installed environment, received {env.id!r}, whose "
            "Python module could do anything to this machine when it is imported; "
            f"`--env {env.id}` or --trust imports it"
        )
    with naming(place):
        kwargs = _with_infinities(env.kwargs)
        return inspect_environment(env_id or env.id, kwargs, env.max_episode_steps, env.action_mask)


def _with_infinities(value: Any) -> Any:
    """Undoes that JSON has no infinities, and spec.json text for them."""
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
    """Plays one episode after the other.

    Args:
        env: The environment.
        choose: The policy.
        num_episodes: How many episodes.
        seed: Determines them: it seeds the environment once, and the actions.
        name: What the environment is called in messages.
        show: Called after each reset and step. Defaults to nothing.

    Yields:
        Each episode when it has ended.

    Raises:
        UserError: If the environment, the policy or `show` raises anything.
    """
    generator = np.random.default_rng([seed, 1])  # not the one that the environment makes of it
    seed_global_generators(seed)

    def seeded(observations: np.ndarray) -> np.ndarray:
        return choose(observations, generator.integers(-(2**31), 2**31, size=2, dtype=np.int32))

    for number in range(num_episodes):
        length, episode_return, ended = 0, 0.0, False
        with naming(f"{name}: episode {number + 1}, reset"):
            observation, _ = env.reset(seed=None if number else seed)
            show()
        while not ended:
            length += 1
            with naming(f"{name}: episode {number + 1}, step {length}"):
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
        help="a task, for data/<task>/policy, or the folder of a SavedModel",
    )
    parser.add_argument(
        "--env",
        metavar="ID",
        help="the environment to play in, instead of the one that spec.json names",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the module that spec.json names, and load a SavedModel of any operations: "
        "both can run any code",
    )
    parser.add_argument(
        "--episodes", type=count, default=5, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--sampled",
        action="store_true",
        help="draw actions instead of taking the greedy ones",
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="default: %(default)s")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--gif",
        type=file_to_write(".gif"),
        metavar="FILE",
        help=f"write an animated GIF of the episodes, of at most {LIMITS.max_frames} frames",
    )
    pictures.add_argument("--human", action="store_true", help="show the episodes in a window")
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to {2**31 - 1}, received {text!r}"
        )
    return int(text)
