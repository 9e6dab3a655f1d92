"""The key that decides whether checkpoints can be resumed from."""

from pipeline.runs.dependencies import training_dependencies
from pipeline.task.task import load_task
from tests.pipeline.small_task import BANDIT, write_params


def test_the_key_depends_on_the_sources_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = load_task(write_params(tmp_path, maze=BANDIT), "maze")
    task.files.folder.mkdir(parents=True)
    for path in (task.files.initial_weights, task.files.rollouts):
        path.touch()
    without_dvc = training_dependencies(task)
    task.sources.parent.mkdir()
    keys = [without_dvc]
    for text in ("{}", '{"my_env.py": "0f"}'):
        task.sources.write_text(text)
        keys.append(training_dependencies(task))
    assert without_dvc["input"].keys() == {"initial_weights.npz", "rollouts.npz"}
    assert len({key["input"].get("maze.json") for key in keys}) == 3
