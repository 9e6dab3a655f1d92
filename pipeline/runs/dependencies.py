"""Everything that the result of training depends on: the key of a task's checkpoints."""

import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium

from pipeline.digests import file_digest
from pipeline.runs.imports import code_digests
from pipeline.task.task import Task

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy", "gymnasium", "mujoco")
# Environment variables that select how the same numbers are computed.
VARIABLES = ("CUDA_VISIBLE_DEVICES", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS")
CPU_FACTS = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")


def training_dependencies(task: Task) -> dict[str, Any]:
    """Collect everything that the results of stage `train` depend on, as JSON-compatible values.

    The number of runs is covered by the digests of the input files, which hold all runs.

    Raises:
        UserError: If a file is missing or cannot be read.
    """
    params = task.params.model_dump(include={"env", "policy", "train"})
    return {
        "task": task.name,
        "seed": task.seed,
        "params": json.loads(json.dumps(params)),  # turns tuples into lists
        "input": {
            path.name: file_digest(path)
            for path in (task.files.initial_weights, task.files.rollouts, task.sources)
            if path != task.sources or path.exists()  # only DVC runs the stage that writes it
        },
    } | code_dependencies(task, "train")


def code_dependencies(task: Task, name: str) -> dict[str, Any]:
    """Collect what the results of a stage or command depend on besides parameters and files.

    Args:
        task: The task, which names an environment.
        name: The stage or command.
    """
    return {
        "code": code_digests(name),
        "environment": _environment_code(task.params.env.id),
        "version": {"python": platform.python_version()}
        | {package: _version(package) for package in PACKAGES},
        "processor": _processor(),
        "variable": {name: os.environ.get(name) for name in VARIABLES},
    }


def _environment_code(env_id: str) -> dict[str, str]:
    """Compute the digests of the modules that define a Gymnasium environment."""
    module, _, name = env_id.rpartition(":")  # a third-party module has been imported by now
    spec = gymnasium.spec(name)
    modules = [module]
    modules += map(_module_of, (spec.entry_point, spec.vector_entry_point))
    digests = {}
    for module in filter(None, modules):
        found = importlib.util.find_spec(module)
        if found is not None and found.origin is not None and Path(found.origin).is_file():
            digests[module] = file_digest(Path(found.origin))
    return digests


def _module_of(entry_point: str | Callable[..., Any] | None) -> str:
    if isinstance(entry_point, str):
        return entry_point.partition(":")[0]
    return getattr(entry_point, "__module__", "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> dict[str, Any]:
    """Describe the processor, since compilers choose from its instructions, and the GPUs."""
    facts: dict[str, Any] = {"machine": platform.machine(), "system": platform.system()}
    cpus = Path("/proc/cpuinfo")  # on Linux; one paragraph for each core
    if cpus.exists():
        for line in cpus.read_text().partition("\n\n")[0].splitlines():
            name, _, value = (part.strip() for part in line.partition(":"))
            if name in CPU_FACTS:
                facts[name] = value
    else:
        facts["model name"] = platform.processor()
    return facts | {"gpus": sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))}
