"""The command `compare`, on a small project with git and DVC."""

import hashlib
import json
import shutil
import struct
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from dvc import cli as dvc_cli

from pipeline.compare import PICTURE, main
from pipeline.evaluation.table import metrics_of
from pipeline.statistics import difference_interval
from pipeline.task.artifacts import write_json, write_table
from pipeline.task.files import TaskFiles
from tests.pipeline.small_task import write_params

ROOT = Path(__file__).parents[2]

CODE = "sources/code/train.json"
# The stages whose files are compared. They never run: `dvc commit` records the tests' files.
DVC_YAML = """
stages:
  sources:
    cmd: "false"
    outs: [sources]
  train:
    foreach: ${tasks}
    do:
      cmd: "false"
      params: ["seed", "tasks.${key}.num_runs", "tasks.${key}.train"]
      deps: [sources/code/train.json]
      outs: ["data/${key}/learning_curve.csv", "data/${key}/action_distribution.csv"]
  evaluate:
    foreach: ${tasks}
    do:
      cmd: "false"
      params: ["seed", "tasks.${key}.evaluate"]
      outs: ["data/${key}/evaluation.csv"]
      metrics: [{"data/${key}/metrics.json": {cache: false}}]
"""


def run(*command, cwd):
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def dvc(*arguments, cwd):
    """Run `dvc` in this process, without starting another Python."""
    with chdir(cwd):
        assert dvc_cli.main([*arguments, "--quiet"]) == 0


def write_task(root, name, means):
    """Write a task's files: `means` are its runs' greedy mean returns, sampled ones are 1 lower."""
    files = TaskFiles(root / "data" / name)
    index, sampled, episode = (i.ravel() for i in np.indices((len(means), 2, 2)))
    returns = np.array(means, dtype=float)[index] - sampled + np.where(episode, 0.5, -0.5)
    evaluation = {
        "run": index,
        "mode": np.array(["greedy", "sampled"])[sampled],
        "episode_return": returns,
        "discounted_return": returns,
    }
    write_table(files.evaluation, evaluation)
    write_json(files.metrics, {name: metrics_of(evaluation)})
    index, update = (i.ravel() for i in np.indices((len(means), 5)))
    curve = {
        "run": index,
        "num_episodes": update + 1,
        "num_env_steps": (update + 1) * (1 if name == "bandit" else 3),
        "mean_return": np.array(means, dtype=float)[index] * update / 4,
    }
    write_table(files.learning_curve, curve)
    second = np.array(means, dtype=float)[index] * (update + 1) / 100
    distribution = {"probability_0": 1 - second, "probability_1": second}
    write_table(
        files.action_distribution, {"run": index, "num_episodes": update + 1} | distribution
    )


def write_project(root, learning_rate, tasks):
    """Write params.yaml and all tasks' files; `tasks` maps names to the runs' mean returns."""
    write_params(root, **{name: section(len(tasks[name]), learning_rate) for name in tasks})
    for name, means in tasks.items():
        write_task(root, name, means)


def section(num_runs, learning_rate):
    train = {"learning_rate": learning_rate}
    return {"num_runs": num_runs, "train": train, "evaluate": {"num_episodes": 2}}


def commit(root, tag):
    if tag != "never_run":
        dvc("commit", "--force", cwd=root)
    run("git", "add", "--all", cwd=root)
    run("git", "commit", "--quiet", "--message", tag, cwd=root)
    run("git", "tag", tag, cwd=root)


SLOW = {"apart": [1, 2, 3, 4], "close": [1, 2, 3, 4], "equal": [5, 6, 7], "alone": [3]}
FAST = {"apart": [11, 12, 13, 14], "close": [1, 2, 3, 5], "equal": [5, 6, 7], "alone": [4, 4, 4, 5]}
SLOW["bandit"], FAST["bandit"] = [1, 2, 3, 4], [11, 12, 13, 14]
LOST = {"apart": [101, 102, 103, 104], "close": [1, 2, 3, 4]}


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """Make a project with four commits, and an experiment that is also the workspace."""
    root = tmp_path_factory.mktemp("project")
    run("git", "init", "--quiet", cwd=root)
    for name, value in {"user.name": "test", "user.email": "test@localhost"}.items():
        run("git", "config", name, value, cwd=root)
    dvc("init", cwd=root)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / ".gitignore").write_text("/sources\n/data/*/*\n!/data/*/metrics.json\n")
    write_json(root / CODE, {"pipeline/train.py": "1", "models/policy.py": "1"})
    write_params(root, apart=section(4, 0.1))
    commit(root, "never_run")
    write_project(root, 0.1, LOST)
    commit(root, "lost")
    for path in (root / "data" / "apart").glob("*.csv"):
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        (root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    write_project(root, 0.001, SLOW)
    commit(root, "slow")
    write_project(root, 0.01, FAST | {"new": [1, 2]})
    commit(root, "fast")
    write_json(root / CODE, {"pipeline/train.py": "2", "models/policy.py": "1"})
    write_project(root, 0.01, FAST | {"apart": [21, 22, 23, 24]})
    dvc("commit", "--force", cwd=root)
    dvc("exp", "save", "--name", "tried", cwd=root)
    return root


@pytest.fixture
def project(committed, monkeypatch):
    """Change to the project, which tests may only read."""
    monkeypatch.chdir(committed)


@pytest.fixture
def own_project(committed, tmp_path, monkeypatch):
    """Change to a copy of the project, which tests may modify."""
    root = tmp_path / "project"
    shutil.copytree(committed, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def compare(tmp_path, capsys):
    """Return a function that runs the command and returns its printed text and its JSON."""

    def compare(*arguments):
        files = {"--json": tmp_path / "compared.json", "--picture": tmp_path / "picture.png"}
        main([*arguments, *(str(part) for item in files.items() for part in item)])
        return capsys.readouterr().out, json.loads(files["--json"].read_text())

    return compare


def message(*arguments):
    """Return the message with which the command exits at status 1."""
    with pytest.raises(SystemExit) as exit_:
        main([*arguments])
    assert isinstance(exit_.value.code, str)  # Python prints it and exits with status 1
    return exit_.value.code


def verdicts(task):
    return [(found["measure"], found["verdict"]) for found in task["differences"]]


@pytest.mark.usefixtures("project")
def test_two_commits(compare, tmp_path):
    printed, tasks = compare("slow", "fast")
    assert list(tasks) == [
        "alone",
        "apart",
        "bandit",
        "close",
        "equal",
    ]  # only one revision has `new`
    parameters = {"train.learning_rate": {"slow": 0.001, "fast": 0.01}}
    assert tasks["apart"]["parameters"] == tasks["equal"]["parameters"] == parameters
    assert tasks["apart"]["code"] == []
    results = tasks["apart"]["results"]
    assert results["slow"]["runs"] == {"greedy": [1, 2, 3, 4], "sampled": [0, 1, 2, 3]}
    assert (results["fast"]["greedy"], results["fast"]["greedy_worst_run"]) == (12.5, 11)
    greedy = tasks["apart"]["differences"][0]
    assert greedy["difference"] == 10
    assert tuple(greedy["interval"]) == difference_interval(SLOW["apart"], FAST["apart"])
    assert verdicts(tasks["apart"]) == [("greedy", "higher"), ("sampled", "higher")]
    assert verdicts(tasks["bandit"])[2] == ("P(action 1)", "higher")
    assert tasks["bandit"]["results"]["fast"]["P(action 1)"] == 0.625  # 12.5 · 5 / 100
    assert {verdict for _, verdict in verdicts(tasks["close"])} == {"not told apart"}
    assert {verdict for _, verdict in verdicts(tasks["equal"])} == {"same"}
    assert {verdict for _, verdict in verdicts(tasks["alone"])} == {"single run"}
    assert "apart: train.learning_rate differs; same code\n" in printed
    assert "fast minus slow, greedy: +10.0 [+" in printed
    picture = tmp_path / "picture.png"
    assert printed.endswith(
        f"{picture}: learning curves of alone, apart, bandit, close; "
        "identical and not drawn: equal\n"
    )
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert width == 900
    assert height > 1200  # four tasks


@pytest.mark.usefixtures("project")
def test_an_experiment_and_the_workspace(compare):
    printed, tasks = compare("fast", "tried", "workspace", "--task", "apart")
    assert list(tasks) == ["apart"]
    task = tasks["apart"]
    assert (task["parameters"], task["code"], task["notes"]) == ({}, ["pipeline/train.py"], [])
    assert task["results"]["tried"] == task["results"]["workspace"]
    assert task["results"]["tried"]["greedy"] == 22.5
    pairs = {(found["first"], found["second"]): found["verdict"] for found in task["differences"]}
    assert pairs == {
        ("fast", "tried"): "higher",
        ("fast", "workspace"): "higher",
        ("tried", "workspace"): "same",
    }
    assert "apart: same parameters; code differs in pipeline/train.py\n" in printed


@pytest.mark.usefixtures("project")
def test_a_revision_without_the_task_is_left_out(compare):
    _, tasks = compare("lost", "slow", "fast", "--task", "equal")
    assert list(tasks["equal"]["results"]) == ["slow", "fast"]
    assert tasks["equal"]["notes"] == ["lost has no task equal"]


@pytest.mark.usefixtures("project")
def test_metrics_replace_files_missing_from_the_cache(compare):
    printed, tasks = compare("lost", "slow", "--task", "apart")
    lost = tasks["apart"]["results"]["lost"]
    assert (lost["num_runs"], lost["greedy"], lost["runs"]) == (4, 102.5, {})
    assert [found["difference"] for found in tasks["apart"]["differences"]] == [-100, -100]
    assert {verdict for _, verdict in verdicts(tasks["apart"])} == {"runs missing"}
    notes = tasks["apart"]["notes"]
    assert notes[:2] == [
        "lost: data/apart/evaluation.csv is not in DVC's cache; metrics.json is shown instead",
        "lost: data/apart/learning_curve.csv is not in DVC's cache; the picture omits it",
    ]
    assert notes[2].startswith("lost: to get these files, check out lost ")
    assert all(note in printed for note in notes)


def test_files_missing_from_the_workspace_and_the_cache(own_project, compare):
    (own_project / "data" / "apart" / "evaluation.csv").unlink()  # the cache has it
    _, tasks = compare("fast", "workspace", "--task", "apart")
    assert tasks["apart"]["results"]["workspace"]["greedy"] == 22.5
    assert tasks["apart"]["notes"] == []
    shutil.rmtree(own_project / ".dvc" / "cache")
    _, tasks = compare("workspace", "fast", "--task", "apart")
    assert tasks["apart"]["notes"][1] == "workspace: `dvc repro` creates the missing files"
    _, tasks = compare("HEAD", "workspace", "--task", "apart")
    assert tasks["apart"]["notes"][2] == (
        "HEAD: `dvc repro` creates the missing files, if there are no uncommitted changes"
    )


def test_a_record_of_code_missing_from_the_cache_is_listed_itself(own_project, compare):
    shutil.rmtree(own_project / ".dvc" / "cache")
    _, tasks = compare("fast", "workspace", "--task", "apart")
    assert tasks["apart"]["code"] == [CODE]


def test_nothing_to_draw(own_project, compare, tmp_path):
    shutil.rmtree(own_project / ".dvc" / "cache")
    printed, _ = compare("slow", "fast", "--task", "apart")
    assert printed.endswith("no picture: no learning curve is available\n")
    assert not (tmp_path / "picture.png").exists()


def test_files_are_read_from_remote_storage(own_project, compare, tmp_path):
    remote = tmp_path / "remote"
    shutil.move(own_project / ".dvc" / "cache", remote)
    (own_project / ".dvc" / "config").write_text(
        f"[core]\n    remote = there\n['remote \"there\"']\n    url = {remote}\n"
    )
    run("git", "commit", "--all", "--quiet", "--message", "remote", cwd=own_project)
    _, tasks = compare("HEAD", "workspace", "--task", "apart")
    assert tasks["apart"]["notes"] == []


def test_a_project_in_a_subfolder_of_the_repository(own_project, compare):
    shutil.move(own_project / ".git", own_project.parent)
    run("git", "add", ".", cwd=own_project)
    run("git", "commit", "--quiet", "--message", "moved", cwd=own_project)
    _, tasks = compare("HEAD", "workspace", "--task", "apart")
    results = tasks["apart"]["results"]
    assert results["HEAD"] == results["workspace"]
    assert results["HEAD"]["runs"]["greedy"] == [21, 22, 23, 24]
    assert tasks["apart"]["notes"] == []


def test_parameters_are_those_that_the_stages_ran_with(own_project, compare):
    params = own_project / "params.yaml"
    params.write_text(params.read_text().replace("learning_rate: 0.01", "learning_rate: 0.5"))
    _, tasks = compare("slow", "workspace", "--task", "apart")
    assert tasks["apart"]["parameters"] == {
        "train.learning_rate": {"slow": 0.001, "workspace": 0.01}
    }
    (note,) = tasks["apart"]["notes"]
    assert note.startswith("workspace: params.yaml has changed since train ran; ")


def test_a_table_that_no_stage_wrote(own_project, compare):
    write_task(own_project, "apart", [7, 7, 7, 7])
    _, tasks = compare("slow", "workspace", "--task", "apart")
    assert tasks["apart"]["results"]["workspace"]["greedy"] == 7
    (note,) = tasks["apart"]["notes"]
    assert note == (
        "workspace: changed since dvc.lock was written: data/apart/evaluation.csv, "
        "data/apart/learning_curve.csv, data/apart/action_distribution.csv"
    )


def test_git_ignores_the_picture():
    assert subprocess.run(["git", "check-ignore", PICTURE], cwd=ROOT).returncode == 0


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("slow", "fst"),
            "fst: expected a git revision, a DVC experiment or `workspace`, received: unknown Git "
            "revision 'fst'",
        ),
        (
            ("slow", "fast", "--task", "apar"),
            "--task: expected a task that two or more of these revisions have (alone, apart, "
            "bandit, close, equal), received 'apar'; did you mean apart?",
        ),
        (
            ("slow", "fast", "--task", "new"),
            "--task: expected a task that two or more of these revisions have (alone, apart, "
            "bandit, close, equal), received 'new'",
        ),
        (
            ("slow", "never_run", "--task", "apart"),
            "never_run: data/apart/evaluation.csv: expected this file or metrics.json, received "
            "neither; to get these files, check out never_run (an experiment: `dvc exp apply`) and "
            "run `dvc pull` or `dvc repro`",
        ),
    ],
)
def test_mistakes(arguments, said):
    assert message(*arguments) == said


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("names", [["slow"], ["slow", "slow"]])
def test_needs_two_revisions(names, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(names)
    assert exit_.value.code == 2
    printed = capsys.readouterr().err
    assert "REV REV [REV ...]\n" in printed
    assert f"expected two or more different revisions, received {' '.join(names)}" in printed


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data/apart/evaluation.csv", "run\n1\n", "expected a CSV table with a header line"),
        (
            "data/apart/evaluation.csv",
            "run,mode,episode_return,discounted_return\n0,greedy,1,1\n",
            "at least one run",
        ),
        (
            "data/apart/evaluation.csv",
            "run,mode,episode_return,discounted_return\n0,greedy,high,1\n",
            "expected finite numbers in column episode_return",
        ),
        ("params.yaml", "tasks: [\n", "not valid YAML"),
        ("dvc.lock", "stages: [\n", "not valid YAML"),
    ],
)
def test_a_damaged_file_is_named(own_project, name, text, said):
    (own_project / name).write_text(text)
    received = message("slow", "workspace", "--task", "apart")
    assert received.startswith(f"workspace: {name}: ")
    assert said in received


def test_no_task_in_common(own_project):
    write_params(own_project, other=section(1, 0.1))
    assert message("never_run", "workspace") == (
        "expected a task that two or more revisions have, received never_run: apart; "
        "workspace: other"
    )


def test_a_revision_of_something_else(own_project):
    for command in ("rm --force --quiet params.yaml dvc.yaml", "commit --quiet --message other"):
        run("git", *command.split(), cwd=own_project)
    expected = "HEAD: expected a revision with params.yaml, received one without"
    assert message("slow", "HEAD") == expected


def test_no_git_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message("slow", "fast").endswith(f"received: {tmp_path} is not a git repository")


@pytest.mark.usefixtures("project")
def test_a_picture_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in message(
        "slow", "fast", "--task", "apart", "--picture", str(tmp_path / "file" / "picture.png")
    )


def test_needs_no_tensorflow():
    code = "import sys, pipeline.compare; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
