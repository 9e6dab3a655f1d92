"""One validated task of params.yaml, the argument of every stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from environments.compiled.registry import reason_not_compiled
from environments.faults import EnvironmentFault
from environments.specification import EnvironmentSpecification, inspect_environment
from pipeline.task.check import check_params, environment_mistakes
from pipeline.task.errors import UserError
from pipeline.task.files import TaskFiles
from pipeline.task.overrides import Overrides, override
from pipeline.task.schema import TaskParams, VarianceParams
from pipeline.task.seeds import Purpose, stream
from pipeline.task.validation import validate_data

DATA, CHECKPOINTS = Path("data"), Path("checkpoints")
SOURCES = Path("sources")  # of environments; written by `python -m pipeline sources`
CODE = SOURCES / "code"  # of stages; written by the same command


class Task(NamedTuple):
    """One task, with everything a stage needs to know about it."""

    name: str
    seed: int  # root of all random streams
    params: TaskParams
    specification: EnvironmentSpecification
    files: TaskFiles
    num_workers: int | None = 1  # runs performed in parallel; None: see `perform_runs`
    checkpoint_seconds: float = 30.0  # minimum time between checkpoints of a run
    variance: VarianceParams | None = None  # None: its gradient noise is not measured

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints (see `pipeline.runs.checkpoints`)."""
        return CHECKPOINTS / self.name

    @property
    def sources(self) -> Path:
        """The file that describes the environment's sources (see `pipeline.sources`)."""
        return SOURCES / f"{self.name}.json"

    @property
    def is_compiled(self) -> bool:
        """True if rollouts and training use a compiled environment."""
        env = self.params.env
        reason = reason_not_compiled(env.id, env.kwargs, env.action_mask)
        return env.backend != "gymnasium" and reason is None

    def stream(self, purpose: Purpose, run: int, update: int = 0) -> np.random.SeedSequence:
        """Make the random stream of one purpose, run and update; see `seeds.stream`."""
        return stream(self.seed, purpose, run, update)

    @contextmanager
    def locate_faults(self, run: int) -> Iterator[None]:
        """Prefix an environment's fault with the task, the environment and the run."""
        try:
            yield
        except EnvironmentFault as fault:
            location = f"{self.name}: {self.specification.id}: run {run}"
            raise EnvironmentFault(f"{location}: {fault}") from fault


def load_task(params_path: Path, name: str, overrides: Overrides = MappingProxyType({})) -> Task:
    """Read and check the parameters of one task.

    Args:
        params_path: The path of params.yaml.
        name: The task.
        overrides: Values that replace those in the file. Defaults to none.

    Raises:
        UserError: If params.yaml contains mistakes or has no such task.
    """
    params = check_params(params_path, [name], overrides)
    task = params.tasks[name]
    env = task.env
    return Task(
        name=name,
        seed=params.seed,
        params=task,
        specification=inspect_environment(
            env.id, env.kwargs, env.max_episode_steps, env.action_mask
        ),
        files=TaskFiles(DATA / name),
        num_workers=params.num_workers,
        checkpoint_seconds=params.checkpoint_seconds,
        variance=params.variance.get(name),
    )


def override_task(task: Task, overrides: Overrides) -> Task:
    """Replace parameters of a task that was loaded, but not those of its environment.

    Raises:
        UserError: If the parameters are then mistaken, as in `load_task`, without the file's name.
    """
    data = {"seed": task.seed, "tasks": {task.name: task.params.model_dump()}}
    override(data, overrides)
    params, *_, mistakes = validate_data(data)
    if params is not None:
        changed = params.tasks[task.name]
        mistakes += environment_mistakes(task.name, changed.env, changed.policy, changed.train)
        if not mistakes:
            return task._replace(params=changed)
    raise UserError("\n".join(mistake.line("") for mistake in mistakes))
