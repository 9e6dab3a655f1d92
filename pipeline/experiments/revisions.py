"""Revisions of the project: the parameters, code and results of their stages, from git and DVC.

A revision is a commit by any name that git knows, an experiment of `dvc exp run`, or the workspace.
Nothing is checked out: files are copied to a temporary folder to be read.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Any, NamedTuple

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.task.artifacts import Table, read_json, read_table
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.mistakes import value_at
from pipeline.task.task import DATA, SOURCES
from pipeline.task.yaml_file import read_yaml

WORKSPACE = "workspace"
PARAMS, LOCK = "params.yaml", "dvc.lock"
STAGES = ("rollout", "train", "evaluate")  # those of a task that `compare` reads


class Revision(NamedTuple):
    """One revision."""

    name: str
    files: DVCFileSystem  # its files in git and DVC
    project: Path  # the project's folder in the repository, which may hold several projects
    folder: Path  # for copies of files, at the same paths as in the project
    params: dict[str, Any]  # its params.yaml
    stages: dict[str, Any]  # its dvc.lock: stage → what it last read and wrote

    @property
    def tasks(self) -> list[str]:
        """The names of the revision's tasks."""
        tasks = self.params.get("tasks")
        return list(tasks) if isinstance(tasks, dict) else []

    def parameters(self, task: str) -> dict[str, Any]:
        """Collect the parameters that the task's stages last ran with, including `seed`.

        If no stage has run, return those of params.yaml.
        """
        parameters: dict[str, Any] = {}
        # `evaluate` records all sections, but the stage that uses a section has the last word.
        for stage in ("evaluate", "rollout", "train"):
            for key, value in self._recorded(stage, task).items():
                parameters |= _flat(value, key.removeprefix(f"tasks.{task}").lstrip("."))
        section = _section(self.params["tasks"][task])
        return parameters or _flat({"seed": self.params.get("seed")} | section)

    def outdated(self, task: str) -> list[str]:
        """List the task's stages that ran with other parameters than those in params.yaml."""
        return [
            stage
            for stage in STAGES
            if any(
                _value_or_none(self.params, key) != value
                for key, value in self._recorded(stage, task).items()
            )
        ]

    def code(self, task: str) -> dict[tuple[str, str], str | None]:
        """Return the hashes of the records that the task's stages ran with, by stage and path.

        They are the records of the code and the environment (see `pipeline.sources`).
        """
        return {
            (stage, dependency["path"]): dependency.get("md5")
            for stage in STAGES
            for dependency in self._locked(stage, task).get("deps", [])
            if dependency["path"].startswith(f"{SOURCES}/")
        }

    def recorded_files(self, md5: str | None) -> dict[str, Any] | None:
        """Read a record of code by its hash; None if DVC's cache does not have it."""
        cache = self.files.repo.cache.local
        path = Path(cache.oid_to_path(md5)) if md5 else None
        return read_json(path, []) if path is not None and path.is_file() else None

    def environment(self, task: str) -> str | None:
        """Return the hash of the task's environment sources; None if it is not recorded."""
        return self.code(task).get(("train", f"{SOURCES}/{task}.json"))

    def unrecorded(self, task: str) -> list[str]:
        """List the tables, among those read, that differ from what the task's stages last wrote."""
        outs = {
            out["path"]: out.get("md5")
            for stage in STAGES
            for out in self._locked(stage, task).get("outs", [])
        }
        files = TaskFiles(DATA / task)
        return [
            str(path)
            for path in (files.evaluation, files.learning_curve, files.action_distribution)
            if (copy := self.folder / path).is_file()
            and outs.get(path.as_posix()) not in (None, md5(copy.read_bytes()).hexdigest())
        ]

    def evaluation(self, task: str) -> Table | None:
        """Read the task's evaluation episodes; None if neither git nor DVC has them.

        Raises:
            UserError: If the table is damaged.
        """
        columns = ["run", "mode", "episode_return", "discounted_return"]
        return self._table(TaskFiles(DATA / task).evaluation, columns)

    def learning_curve(self, task: str) -> Table | None:
        """Read the task's learning curve; None if neither git nor DVC has it.

        Raises:
            UserError: If the table is damaged.
        """
        columns = ["run", "num_episodes", "num_env_steps", "mean_return"]
        return self._table(TaskFiles(DATA / task).learning_curve, columns)

    def action_distribution(self, task: str) -> Table | None:
        """Read the task's action distribution over training; None if neither git nor DVC has it.

        Raises:
            UserError: If the table is damaged.
        """
        columns = ["run", "num_episodes"]
        return self._table(TaskFiles(DATA / task).action_distribution, columns)

    def metrics(self, task: str) -> dict[str, Any] | None:
        """Read the task's metrics; None if git does not have them.

        Raises:
            UserError: If they are damaged.
        """
        with self.naming():
            copy = self.copied(TaskFiles(DATA / task).metrics)
            return None if copy is None else read_json(copy, [task])[task]

    def copied(self, path: Path) -> Path | None:
        """Copy a file from git, DVC's cache or its remote storage; return None if none has it."""
        copy = self.folder / path
        try:
            self.files.get_file((self.project / path).as_posix(), str(copy))
        except FileNotFoundError:
            copy.unlink(missing_ok=True)
            return None
        return copy

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Name the revision instead of the temporary folder in error messages."""
        try:
            yield
        except UserError as error:
            raise UserError(str(error).replace(f"{self.folder}/", f"{self.name}: ")) from error
        except DvcException as error:
            raise UserError(f"{self.name}: DVC cannot read this revision: {error}") from error
        except YAMLError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{self.name}: {LOCK}: not valid YAML: {reason}") from error

    def _table(self, path: Path, columns: Iterable[str]) -> Table | None:
        with self.naming():
            copy = self.copied(path)
            return None if copy is None else read_table(copy, columns)

    def _recorded(self, stage: str, task: str) -> dict[str, Any]:
        """Return the parameters that a stage last ran with: `tasks.<task>.train` and so on."""
        recorded: dict[str, Any] = self._locked(stage, task).get("params", {}).get(PARAMS, {})
        return recorded

    def _locked(self, stage: str, task: str) -> dict[str, Any]:
        locked: dict[str, Any] = self.stages.get(f"{stage}@{task}", {})
        return locked


@contextmanager
def open_revisions(names: Iterable[str]) -> Iterator[list[Revision]]:
    """Yield the named revisions of the project in the current folder.

    Raises:
        UserError: If a revision does not exist or has no well-formed params.yaml, or if there is no
            git repository.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield [_open(name, Path(folder) / str(i)) for i, name in enumerate(names)]


def _open(name: str, folder: Path) -> Revision:
    rev = None if name == WORKSPACE else name
    files = DVCFileSystem(rev=rev, subrepos=True)
    try:
        root = files.repo.scm.root_dir if rev else files.repo.root_dir
        revision = Revision(name, files, Path.cwd().relative_to(root), folder, {}, {})
        params, lock = revision.copied(Path(PARAMS)), revision.copied(Path(LOCK))
    except DvcException as error:
        raise UserError(
            f"{name}: expected a git revision, a DVC experiment or `{WORKSPACE}`, received: {error}"
        ) from error
    if params is None:
        raise UserError(f"{name}: expected a revision with {PARAMS}, received one without")
    with revision.naming():
        locked = {} if lock is None else _section(YAML(typ="safe").load(lock))
        return revision._replace(
            params=_section(read_yaml(params)), stages=_section(locked.get("stages"))
        )


def _section(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten `{"train": {"gamma": 1.0}}` to `{"train.gamma": 1.0}`."""
    if not isinstance(value, dict):
        return {name: value}
    parameters: dict[str, Any] = {}
    for key, inner in value.items():
        parameters |= _flat(inner, f"{name}.{key}".lstrip("."))
    return parameters


def _value_or_none(params: dict[str, Any], key: str) -> Any:
    try:
        return value_at(params, tuple(key.split(".")))
    except (LookupError, TypeError):
        return None
