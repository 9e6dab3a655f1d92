"""Record the code of each stage and the sources of each task's environment, for DVC.

The stages depend on these records: `sources/code/<stage>.json` has the digest of each file that the
stage imports, and `sources/<task>.json` describes the task's environment. `dvc repro` always runs
this command.
"""

# It has to be fast, so it does not import TensorFlow.

import argparse
import importlib.metadata
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gymnasium

from environments.compiled.registry import entry_point_of, reason_not_compiled
from environments.faults import EnvironmentFault, closing_quietly
from environments.specification import inspect_environment
from environments.vector.make import make_environments
from environments.vector.trial import play_trial
from pipeline.digests import file_digest
from pipeline.process.arguments import add_params
from pipeline.process.command import STAGES
from pipeline.process.messages import exit_with_message
from pipeline.runs.imports import code_digests, imported_files
from pipeline.task.artifacts import write_json
from pipeline.task.schema import EnvParams
from pipeline.task.task import CODE, SOURCES
from pipeline.task.validation import load_params

OWN_PACKAGE = "environments"  # part of the code of all stages


def main(arguments: list[str] | None = None) -> None:
    """Write the records; exit as `exit_with_message` does if params.yaml has mistakes."""
    parser = argparse.ArgumentParser(prog="python -m pipeline sources", description=__doc__)
    add_params(parser)
    path: Path = parser.parse_args(arguments).params
    with exit_with_message(parser.prog):
        tasks = load_params(path).tasks
        shutil.rmtree(SOURCES, ignore_errors=True)  # including files of removed tasks
        for stage in (*STAGES, "report"):  # a command to us, a stage to DVC
            write_json(CODE / f"{stage}.json", code_digests(stage))
        for name, task in tasks.items():
            write_json(SOURCES / f"{name}.json", environment_sources(task.env))


def environment_sources(env: EnvParams) -> dict[str, str]:
    """Find the files and packages that an environment depends on.

    A subprocess makes the environment, resets it, takes one step and records all imports and opened
    files. Gymnasium's own environments depend only on Gymnasium, on MuJoCo or Box2D if they use it,
    and on their keyword arguments.

    Returns:
        The version of each imported package; the SHA-256 of each file in the working directory that
        is imported, opened, or named by a keyword argument; and the SHA-256 of each module of the
        environment's package if that is not installed. If the environment cannot be made, the
        result has what was recorded until then; the stages report the error.
    """
    sources = {path: file_digest(Path(path)) for path in _named_files(env.kwargs)}
    if _packages(env.id) == {"gymnasium"}:
        parts = str(gymnasium.spec(env.id).entry_point).split(".")  # as in gymnasium.envs.mujoco.…
        for package in ("gymnasium", *parts[2:3]):
            with suppress(importlib.metadata.PackageNotFoundError):
                sources[f"version of {package}"] = importlib.metadata.version(package)
        return sources
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_sources, args=(env, sender))
    process.start()
    sender.close()
    with suppress(EOFError):  # the environment ended the process
        sources |= receiver.recv()
    process.join()
    return dict(sorted(sources.items()))


def _named_files(value: Any) -> Iterator[str]:
    """Yield the strings in a keyword argument's value that are paths of files."""
    if isinstance(value, dict | list):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _named_files(element)
    elif isinstance(value, str) and os.path.isfile(value):  # noqa: PTH113  # takes any string
        yield value


def _packages(env_id: str) -> set[str]:
    """Return the packages that register and define an environment, except for `OWN_PACKAGE`."""
    module, _, name = env_id.rpartition(":")
    spec = gymnasium.registry.get(name)
    modules = [module]
    for entry_point in (spec.entry_point, spec.vector_entry_point) if spec else ():
        if isinstance(entry_point, str):
            modules.append(entry_point)
        else:
            modules.append(getattr(entry_point, "__module__", ""))
    return {module.partition(":")[0].partition(".")[0] for module in modules} - {"", OWN_PACKAGE}


def _send_sources(env: EnvParams, connection: Connection) -> None:
    read, written = set[str](), set[str]()

    def record(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, mode, flags = arguments
            writes = set("wax+") & set(mode) if mode else flags & (os.O_WRONLY | os.O_RDWR)
            (written if writes else read).add(_absolute(os.fsdecode(path)))

    before = set(sys.modules)
    sys.addaudithook(record)
    with suppress(EnvironmentFault):
        specification = inspect_environment(
            env.id, env.kwargs, env.max_episode_steps, env.action_mask
        )
        with closing_quietly(make_environments(specification, 1)) as environments:
            play_trial(environments, specification, num_steps=1)
    modules = {
        name: _absolute(file)
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) is not None
    }
    imported = {file for name, file in modules.items() if name not in before}
    paths = {path for path in map(_project_path, imported | read - written) if path is not None}
    if reason_not_compiled(env.id, env.kwargs, env.action_mask) is None:
        paths |= set(imported_files(entry_point_of(env.id).partition(":")[0]))
    sources = {path.as_posix(): file_digest(path) for path in paths if path.parts[0] != OWN_PACKAGE}
    packages = _packages(env.id)
    others = {name.partition(".")[0] for name in modules if name not in before}
    for package in packages | others - {OWN_PACKAGE} - sys.stdlib_module_names:
        with suppress(importlib.metadata.PackageNotFoundError):
            sources[f"version of {package}"] = importlib.metadata.version(package)
    for name, file in modules.items():
        package = name.partition(".")[0]
        is_installed = f"version of {package}" in sources and _is_installed(file)
        if package in packages and not is_installed and _project_path(file) is None:
            sources[name] = file_digest(Path(file))
    connection.send(sources)


def _project_path(file: str) -> Path | None:
    """Return the path relative to the working directory; None if the file is not in the project."""
    path = Path(os.path.relpath(file))
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return None if hidden or _is_installed(file) or not path.is_file() else path


def _absolute(file: str) -> str:
    return str(Path(file).absolute())


def _is_installed(file: str) -> bool:
    return file.startswith(sys.prefix + os.sep)
