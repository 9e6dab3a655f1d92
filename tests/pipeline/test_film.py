"""The stage `film`: from an exported policy to the film of an episode."""

import json
import shutil
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image, ImageSequence

from pipeline import film as module
from pipeline.acting import load
from pipeline.artifacts import TaskFiles
from pipeline.errors import UserError
from pipeline.film import film
from tests.pipeline.saved_policy import CARTPOLE, LEANING, write_policy


class Dim(gymnasium.Env[Any, Any]):
    """One step an episode; says that it renders, and cannot."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, True, False, {}

    def render(self):
        raise RuntimeError("no\nlight")


dim: Any = Dim
gymnasium.register("Dim-v0", dim, max_episode_steps=1)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Saves the start of TensorFlow; what is drawn without OpenGL does not mind it."""
    monkeypatch.setattr(module, "loaded_apart", lambda policy: nullcontext(load(policy)))
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    return write_policy(tmp_path_factory.mktemp("cartpole"), CARTPOLE, LEANING)


def task_of(policy, folder):
    """What the stage reads of a task."""
    files = TaskFiles(folder / "data" / "task")
    shutil.copytree(policy, files.policy)
    return SimpleNamespace(name="task", files=files)


@pytest.fixture
def task(cartpole, tmp_path):
    return task_of(cartpole, tmp_path)


def filmed(task):
    """What the stage wrote: the episode, and each frame's duration in ms."""
    film(task)
    episode = json.loads((task.files.film / "episode.json").read_text())
    with Image.open(task.files.film / "film.gif") as image:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
        return episode, durations, image.size


def test_the_film_shows_the_episode_that_play_shows_and_says_what_became_of_it(task, capsys):
    episode, durations, size = filmed(task)
    # As in the environment, from the seed that `play` has where it is told no other.
    env = gymnasium.make("CartPole-v1", max_episode_steps=45)
    observation, _ = env.reset(seed=0)
    ended, length = False, 0
    while not ended:
        observation, _, terminated, truncated, _ = env.step(int(observation[2] > 0))
        ended, length = terminated or truncated, length + 1
    assert 20 < length <= 45
    # 50 pictures a second, of which every second one is kept: the reset, and steps 2, 4, …
    seconds = (length // 2 + 1) * 0.04
    assert episode == {
        "why_not": None,
        "episode_return": length,
        "num_steps": length,
        "seconds": pytest.approx(seconds),
        "is_cut": False,
    }
    assert sum(durations) == pytest.approx(1000 * seconds)
    assert size == (320, 213)  # of 600 × 400
    assert capsys.readouterr().out == f"task: an episode; in {task.files.film}\n"


def test_the_same_policy_gives_the_same_bytes(task):
    film(task)
    before = {path.name: path.read_bytes() for path in task.files.film.iterdir()}
    film(task)
    assert {path.name: path.read_bytes() for path in task.files.film.iterdir()} == before


def test_a_long_episode_is_cut_and_says_so(task, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(max_seconds=0.4))
    episode, durations, _ = filmed(task)
    assert episode["is_cut"]
    assert sum(durations) == 400 == 1000 * episode["seconds"]
    assert episode["num_steps"] > 20  # of the whole episode


def test_a_film_that_would_be_large_has_fewer_frames_and_its_own_speed(task, monkeypatch):
    _, durations, _ = filmed(task)
    size = (task.files.film / "film.gif").stat().st_size
    monkeypatch.setattr(module, "MAX_BYTES", int(0.7 * size))
    _, fewer, _ = filmed(task)
    assert (task.files.film / "film.gif").stat().st_size <= 0.7 * size
    assert len(fewer) == pytest.approx(len(durations) / 2, abs=1)
    assert sum(fewer) == pytest.approx(sum(durations), abs=40)


def test_a_film_is_never_without_a_frame(task, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    _, durations, _ = filmed(task)
    assert len(durations) == 1


@pytest.mark.parametrize(
    ("env_id", "reason"),
    [
        (
            "Bandit-v0",
            "Bandit-v0: expected an environment with the render mode rgb_array, received one with "
            "none",
        ),
        ("Dim-v0", "Dim-v0: RuntimeError: no light"),
    ],
)
def test_an_environment_that_cannot_be_drawn_leaves_the_reason(env_id, reason, tmp_path, capsys):
    environment: dict[str, Any] = {"id": env_id, "kwargs": {}, "max_episode_steps": None}
    task = task_of(write_policy(tmp_path / "policy", environment), tmp_path)
    film(task)
    (written,) = task.files.film.iterdir()
    assert json.loads(written.read_text()) == {"why_not": reason}
    assert reason in capsys.readouterr().out


def test_a_damaged_policy_is_named_and_the_film_stays(task):
    film(task)
    before = (task.files.film / "film.gif").read_bytes()
    (task.files.policy / "saved_model.pb").write_bytes(b"no model")
    load.cache_clear()
    with pytest.raises(UserError, match="policy: expected a policy's SavedModel"):
        film(task)
    assert (task.files.film / "film.gif").read_bytes() == before
