"""An episode that is recorded, replayed and filmed."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv
from PIL import Image, ImageSequence

from environments.specification import inspect_environment
from pipeline.figures import film as module
from pipeline.figures.film import film
from pipeline.playing.environments import make_environment
from pipeline.playing.replay import record, replay
from pipeline.task.artifacts import read_table, write_table
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles

CARTPOLE = inspect_environment("CartPole-v1", {}, 45)


class Made(gymnasium.Env[Any, Any]):
    """An environment with three steps, rewarded by the sum of the action; rendering fails."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1, 1, (1,))
    num_steps = 3
    extra_reward = 0.0

    def __init__(self, action_space=None, render_mode=None):
        self.action_space = action_space or spaces.Discrete(2)
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        assert seed == 0
        self.step_number = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert action in self.action_space
        self.step_number += 1
        ended = self.step_number == self.num_steps
        return np.zeros(1, np.float32), float(np.sum(action)) + self.extra_reward, False, ended, {}

    def render(self):
        raise RuntimeError("no\nlight")


made: Any = Made
gymnasium.register("Made-v0", made, max_episode_steps=3)


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def leaning(observations):
    """Push to the side to which the pole leans; it stays up for about 40 steps."""
    return (observations[:, 2] > 0).astype(np.int64)


def task_of(specification, folder, choose):
    """Make what the stage reads of a task."""
    files = TaskFiles(folder / "data" / "task")
    with closing(make_environment(specification, None)) as env:
        write_table(files.episode, record(env, choose, specification.id))
    return SimpleNamespace(name="task", files=files, specification=specification)


@pytest.fixture
def task(tmp_path):
    return task_of(CARTPOLE, tmp_path, leaning)


def filmed(task):
    """Return film.json, each frame's duration in ms, and the frame size."""
    film(task)
    metadata = json.loads((task.files.film / "film.json").read_text())
    with Image.open(task.files.film / "film.gif") as image:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
        return metadata, durations, image.size


# Recorded and replayed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "columns"),
    [
        (spaces.Discrete(3, start=5), 1),
        (spaces.MultiDiscrete([2, 3]), 2),
        (spaces.MultiBinary(3), 3),
        (spaces.Box(-1, 1, (2, 2)), 4),
        (spaces.Box(-1, 1, (1,), np.float64), 1),
        (spaces.Box(-0.1, 0.1, (2,), np.float64), 2),
        (spaces.Box(0, 0.7, (1,), np.float16), 1),
    ],
)
def test_the_recorded_actions_are_replayed_exactly(space, columns, tmp_path):
    space.seed(1)
    env: Any = Made(space)
    taken: list[Any] = []
    again: list[Any] = []

    def choose(_):
        action = np.asarray(space.sample())
        if len(taken) == 1 and isinstance(space, spaces.Box):
            action = space.high  # policies clip to it
        taken.append(action)
        return action[np.newaxis]

    episode = record(env, choose, "Made-v0")
    assert list(episode) == ["reward", *(f"action_{i}" for i in range(columns))]
    write_table(tmp_path / "episode.csv", episode)
    step = env.step

    def watched(action):
        again.append(action)
        return step(action)

    env.step = watched
    replay(env, read_table(tmp_path / "episode.csv", []), "Made-v0", lambda: None)
    assert len(again) == 3
    for one, other in zip(taken, again, strict=True):
        assert np.array_equal(one, other)
        assert np.asarray(other).dtype == space.dtype


def test_an_observation_that_is_not_finite_is_refused(monkeypatch):
    env: Any = Made()
    monkeypatch.setattr(
        Made, "reset", lambda self, seed: (np.full(1, np.nan, np.float32), {}), raising=True
    )
    with pytest.raises(UserError, match=r"^Made-v0: step 1: expected a finite observation, rec"):
        record(env, lambda observations: np.ones(1, np.int64), "Made-v0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"extra_reward": 0.001},
            "Made-v0: step 1: expected the reward 1, as recorded with the same seed and "
            "actions, received 1.001; the environment is not reproducible",
        ),
        ({"num_steps": 2}, "Made-v0: step 2: expected an end after 3 steps"),
        ({"num_steps": 4}, "Made-v0: step 3: expected an end after 3 steps"),
    ],
)
def test_another_episode_is_refused(change, message):
    env: Any = Made()
    episode = record(env, lambda observations: np.ones(1, np.int64), "Made-v0")
    for name, value in change.items():
        setattr(env, name, value)
    with pytest.raises(UserError) as refusal:
        replay(env, episode, "Made-v0", lambda: None)
    assert str(refusal.value).startswith(message)


# Filmed -----------------------------------------------------------------------------------------


def test_the_film_shows_the_recorded_episode_and_its_outcome(task, capsys):
    metadata, durations, size = filmed(task)
    length = len(read_table(task.files.episode, ["reward"])["reward"])
    assert 20 < length < 45
    # Of 50 frames per second every fourth is kept: the reset, and steps 4, 8, …
    seconds = (length // 4 + 1) * 0.08
    assert metadata == {
        "why_not": None,
        "episode_return": length,
        "num_steps": length,
        "seconds": pytest.approx(seconds),
        "is_cut": False,
    }
    assert sum(durations) == pytest.approx(1000 * seconds)
    assert size == (320, 213)  # of 600 × 400
    assert capsys.readouterr().out == f"task: wrote a film to {task.files.film}\n"


def test_the_same_episode_gives_the_same_bytes(task):
    film(task)
    before = {path.name: path.read_bytes() for path in task.files.film.iterdir()}
    film(task)
    assert {path.name: path.read_bytes() for path in task.files.film.iterdir()} == before


def test_a_long_episode_is_cut_and_marked_as_cut(task, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(max_seconds=0.4))
    metadata, durations, _ = filmed(task)
    assert metadata["is_cut"]
    assert sum(durations) == 400 == 1000 * metadata["seconds"]
    assert metadata["num_steps"] > 20  # of the whole episode


def test_a_large_film_gets_fewer_frames_at_the_same_speed(task, monkeypatch):
    _, durations, _ = filmed(task)
    size = (task.files.film / "film.gif").stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", int(0.7 * size))
    _, fewer, _ = filmed(task)
    assert (task.files.film / "film.gif").stat().st_size <= 0.7 * size
    assert len(fewer) == pytest.approx(len(durations) / 2, abs=1)
    assert sum(fewer) == pytest.approx(sum(durations), abs=80)


def test_a_film_has_at_least_one_frame(task, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    _, durations, _ = filmed(task)
    assert len(durations) == 1


@pytest.mark.parametrize(
    ("env_id", "reason"),
    [
        ("Bandit-v0", "Bandit-v0: cannot be rendered: it has no render mode"),
        ("Made-v0", "Made-v0: reset: RuntimeError: no light"),
    ],
)
def test_if_an_environment_cannot_be_drawn_the_reason_is_written(env_id, reason, tmp_path, capsys):
    task = task_of(
        inspect_environment(env_id, {}), tmp_path, lambda observations: np.ones(1, np.int64)
    )
    film(task)
    (written,) = task.files.film.iterdir()
    assert json.loads(written.read_text()) == {"why_not": reason}
    assert reason in capsys.readouterr().out


def test_if_an_episode_is_not_reproducible_the_reason_is_written(task, capsys):
    episode = read_table(task.files.episode, [])
    episode["reward"] = episode["reward"] + 1.0
    write_table(task.files.episode, episode)
    film(task)
    (written,) = task.files.film.iterdir()
    reason = json.loads(written.read_text())["why_not"]
    assert reason.startswith("CartPole-v1: step 1: expected the reward 2, as recorded")
    assert reason in capsys.readouterr().out


def test_errors_from_closing_are_ignored(task, monkeypatch):
    def leave(_):
        raise SystemExit(0)

    monkeypatch.setattr(CartPoleEnv, "close", leave)
    metadata, _, _ = filmed(task)
    assert metadata["why_not"] is None


def test_a_damaged_episode_is_named_and_the_film_stays(task):
    film(task)
    before = (task.files.film / "film.gif").read_bytes()
    task.files.episode.write_text("reward\n1\n")
    with pytest.raises(UserError, match="episode.csv: expected a CSV table"):
        film(task)
    assert (task.files.film / "film.gif").read_bytes() == before


def test_it_does_not_import_tensorflow():
    code = "import sys, pipeline.figures.film; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
