"""The stage `plot`: from the files of a task to its pictures."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.artifacts import TaskFiles, write_table
from pipeline.errors import UserError
from pipeline.plot import plot

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def task(tmp_path):
    """What the stage reads of a task, with the tables of two runs of a small bandit."""
    files = TaskFiles(tmp_path / "data" / "bandit")
    run, point = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    curve = {"run": run, "num_episodes": point + 1, "num_env_steps": point + 1}
    write_table(files.learning_curve, curve | {"mean_return": np.array([0.0, 1.0, 0.0, 0.0])})
    evaluation = {"run": run, "mode": np.array(["greedy", "sampled"] * 2), "episode": run * 0}
    write_table(files.evaluation, evaluation | {"episode_return": np.array([1.0, 0.0, 1.0, 1.0])})
    estimates = ("total_variance", "relative_variance", "signal_to_noise", "num_episodes_for_1")
    write_table(
        files.variance,
        {"policy": np.array(["initial", "trained"]), "baseline": np.array(["none", "none"])}
        | {name: np.array([2, 2]) for name in ("num_runs", "num_batches", "num_episodes")}
        | {f"{name}{end}": np.ones(2) for name in estimates for end in ("", "_low", "_high")},
    )
    second = np.array([0.5, 0.6, 0.5, 0.4])
    distribution = {"probability_0": 1 - second, "probability_1": second}
    write_table(files.action_distribution, {"run": run, "num_episodes": point} | distribution)
    write_table(files.visited, {"observation_0": np.ones(4)} | distribution)
    at_one_point = {name: values[:1] for name, values in distribution.items()}
    write_table(files.plane, {"observation_0": np.ones(1)} | at_one_point)
    return SimpleNamespace(name="bandit", files=files)


def test_writes_its_pictures_and_the_same_again(task, capsys):
    plot(task)
    pictures = {path.name: path.read_bytes() for path in task.files.plots.iterdir()}
    names = ["learning_curve.png", "variance.png", "evaluation.png", "policy.png"]
    assert set(pictures) == set(names)
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert capsys.readouterr().out.startswith(f"bandit: {', '.join(names)} in ")
    (task.files.plots / "of an older version.png").write_bytes(b"")
    plot(task)
    assert {path.name: path.read_bytes() for path in task.files.plots.iterdir()} == pictures


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("learning_curve", "run,update\n0,0\n", "num_episodes"),
        (
            "learning_curve",
            "run,num_episodes,num_env_steps,mean_return\n0,1,1,0.5\n0,2,2,0.5\n1,1,1,0.5\n",
            "expected as many rows of every run, received 2 of run 0, 1 of run 1",
        ),
        (
            "variance",
            "policy,baseline,num_runs,num_batches\ninitial,none,2,10\n",
            "expected a column num_episodes",
        ),
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
def test_a_damaged_table_is_named_and_the_pictures_stay(task, name, text, message):
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
    with pytest.raises(
        UserError, match="visited.csv: expected a CSV table .*received no such file"
    ):
        plot(task)
    assert not task.files.plots.exists()


def test_needs_no_tensorflow():
    code = "import sys, pipeline.plot; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
