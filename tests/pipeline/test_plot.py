"""Stage `plot`, which draws a task's pictures from its files."""

import subprocess
import sys

import numpy as np
import pytest
from gymnasium import spaces

from pipeline.figures.actions import BEFORE_BOUNDS
from pipeline.plot import plot
from pipeline.task.artifacts import read_json, write_table
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from tests.pipeline.project import plotted, write_tables

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def task(tmp_path):
    """Make a task with the tables of two runs of a small bandit."""
    files = TaskFiles(tmp_path / "data" / "bandit")
    write_tables(files)
    return plotted("bandit", files)


def test_writes_its_pictures_and_the_same_again(task, capsys):
    plot(task)
    pictures = {path.name: path.read_bytes() for path in task.files.plots.iterdir()}
    names = ["learning_curve.png", "evaluation.png", "policy.png"]
    assert set(pictures) == set(names)
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert capsys.readouterr().out.startswith(f"bandit: wrote {', '.join(names)} to ")
    reason = read_json(task.files.film / "film.json", ["why_not"])["why_not"]
    assert reason == "Bandit-v0: cannot be rendered: it has no render mode"
    (task.files.plots / "of an older version.png").write_bytes(b"")
    plot(task)
    assert {path.name: path.read_bytes() for path in task.files.plots.iterdir()} == pictures


@pytest.mark.parametrize("limit", [2.0, np.inf])
def test_notes_say_that_bounded_actions_are_drawn_before_bounds(task, limit):
    means = {"mean_0": np.arange(4.0), "standard_deviation_0": np.ones(4)}
    runs = {"run": np.array([0, 0, 1, 1]), "num_episodes": np.array([0, 1, 0, 1])}
    write_table(task.files.action_distribution, runs | means)
    write_table(task.files.visited, {"observation_0": np.arange(4.0)} | means)
    task.specification = task.specification._replace(action_space=spaces.Box(-limit, limit, (1,)))
    plot(task)
    parts = read_json(task.files.panels, ["policy", "observations"])
    for name in ("policy", "observations"):
        assert (BEFORE_BOUNDS in parts[name]["note"]) == np.isfinite(limit)


def test_draws_the_panels_of_each_part_with_their_numbers_and_the_same_again(task):
    plot(task)
    text = task.files.panels.read_bytes()
    parts = read_json(task.files.panels, [])
    shown = {name: [panel["title"] for panel in part["panels"]] for name, part in parts.items()}
    assert shown == {
        "returns": ["Mean episode return over training episodes"],
        "progress": ["Entropy over training episodes", "Gradient norm over training episodes"],
        "evaluation": ["Episode return, greedy", "Episode return, sampled"],
        "policy": ["P(action 1) over training"],
        "observations": [],  # the only observation is constant
    }
    # Two runs at the last update: entropies 0.5 and 0.3.
    assert (
        "0.700 after 1 training episodes, 0.400 [0.300, 0.500] after 2"
        in (parts["progress"]["panels"][0]["summary"])
    )
    assert all(part["note"] for part in parts.values())
    plot(task)
    assert task.files.panels.read_bytes() == text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("learning_curve", "run,update\n0,0\n", "num_episodes"),
        (
            "evaluation",
            "run,mode,episode_return\n0,greedy,high\n",
            "expected finite numbers in column episode_return",
        ),
        ("action_distribution", "run,num_episodes\n0,0\n", "expected columns probability_0, …"),
        (
            "visited",
            "observation_0,probability_0\n1,0.5\n2,0.5\n",
            "expected a column probability_1",
        ),
    ],
)
def test_a_damaged_table_is_named_and_the_pictures_are_kept(task, name, text, message):
    task.files.plots.mkdir()
    (task.files.plots / "policy.png").write_bytes(b"before")
    path = getattr(task.files, name)
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        plot(task)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert [picture.read_bytes() for picture in task.files.plots.iterdir()] == [b"before"]


def test_a_missing_table_is_named(task):
    task.files.visited.unlink()
    with pytest.raises(UserError, match="visited.csv: no such file; run `dvc repro`"):
        plot(task)
    assert not task.files.plots.exists()


def test_needs_no_tensorflow():
    code = "import sys, pipeline.plot; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
