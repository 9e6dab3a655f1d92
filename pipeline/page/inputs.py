"""Read and check the files of each task that the page is made from."""

import io
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gymnasium import spaces
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.specification import EnvironmentSpecification, inspect_environment
from pipeline.task.artifacts import read_json, read_table, stale_file, unreadable
from pipeline.task.files import TaskFiles
from pipeline.task.schema import Params, TaskParams

# Action space → the name of the policy's distribution.
_DISTRIBUTIONS = {
    spaces.Discrete: "Categorical",
    spaces.MultiDiscrete: "Categoricals",
    spaces.MultiBinary: "Bernoullis",
    spaces.Box: "Normal",
}


class _FilePart(BaseModel):
    """The needed part of a JSON file, which may hold more."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Metrics(_FilePart):
    """A task's metrics as `evaluate` writes them. Interval ends are None for a single run."""

    greedy: float
    greedy_low: float | None
    greedy_high: float | None
    greedy_worst_run: float
    sampled: float
    sampled_low: float | None
    sampled_high: float | None
    sampled_worst_run: float
    objective: float
    objective_before: float


class DrawnPanel(_FilePart):
    """A panel as `plot` draws it."""

    title: str
    summary: str
    svg: str = Field(pattern=r'^<svg viewBox="[0-9. ]+">[\s\S]*</svg>$')


class DrawnPart(_FilePart):
    """Panels that are shown together."""

    title: str  # empty if each panel shows its own title
    note: str
    panels: list[DrawnPanel]


class DrawnParts(_FilePart):
    """The panels that `plot` draws for the page."""

    returns: DrawnPart
    progress: DrawnPart
    evaluation: DrawnPart
    policy: DrawnPart
    observations: DrawnPart


class FilmedEpisode(_FilePart):
    """The filmed episode."""

    episode_return: float
    num_steps: int
    seconds: float  # shown in the film
    is_cut: bool  # the episode continues after the film


class Film(NamedTuple):
    """The film of an episode."""

    episode: FilmedEpisode
    gif: bytes
    size: tuple[int, int]  # width and height in pixels
    first_frame: bytes  # a PNG, for print and for readers who prefer no motion


class Variance(NamedTuple):
    """The noise of the gradient with each baseline."""

    ratios: list[tuple[Any, ...]]  # rows of policy, baseline and signal-to-noise ratio
    picture: bytes  # a PNG


class TaskResult(NamedTuple):
    """A task and its results, for the tables."""

    name: str
    params: TaskParams
    specification: EnvironmentSpecification
    metrics: Metrics

    @property
    def environment(self) -> str:
        """The environment as text: `Bandit-v0, probabilities [0.3, 0.7]`."""
        env = self.params.env
        return ", ".join([env.id, *(f"{name} {value}" for name, value in env.kwargs.items())])

    @property
    def policy(self) -> str:
        """The policy as text: `Normal, 64-64`."""
        space = self.specification.action_space
        distribution = next(
            name for kind, name in _DISTRIBUTIONS.items() if isinstance(space, kind)
        )
        sizes = self.params.policy.hidden_sizes
        return f"{distribution}, {'-'.join(map(str, sizes)) or 'no hidden layer'}"


class TaskPictures(NamedTuple):
    """A task's pictures."""

    parts: DrawnParts
    film: Film | str  # a string is the reason why there is none
    variance: Variance | None  # None if not measured
    plane: bytes | None  # a PNG; None if the environment has no plane of states


def read_results(params: Params, data: Path) -> list[TaskResult]:
    """Read the results of all tasks.

    Args:
        params: The checked parameters.
        data: The folder that holds the tasks' folders.

    Raises:
        UserError: If a task's metrics are missing or damaged.
    """
    results = []
    for name, task in params.tasks.items():
        env = task.env
        specification = inspect_environment(env.id, env.kwargs, env.max_episode_steps)
        path = TaskFiles(data / name).metrics
        metrics = _validated(Metrics, path, read_json(path, [name])[name])
        results.append(TaskResult(name, task, specification, metrics))
    return results


def read_pictures(files: TaskFiles, *, measured: bool) -> TaskPictures:
    """Read the pictures of one task.

    Args:
        files: Its files.
        measured: Whether its gradient noise is measured.

    Raises:
        UserError: If a file is missing or damaged.
    """
    parts = _validated(DrawnParts, files.panels, read_json(files.panels, []))
    plane = files.plots / "plane.png"
    return TaskPictures(
        parts,
        _read_film(files.film),
        _read_variance(files) if measured else None,
        plane.read_bytes() if plane.exists() else None,
    )


def _read_film(folder: Path) -> Film | str:
    path = folder / "film.json"
    content = read_json(path, ["why_not"])
    if content["why_not"] is not None:
        return str(content["why_not"])
    episode = _validated(FilmedEpisode, path, content)
    gif = _read_bytes(folder / "film.gif")
    first_frame = io.BytesIO()
    try:
        with Image.open(io.BytesIO(gif), formats=["GIF"]) as image:
            size = image.size
            image.convert("RGB").save(first_frame, "PNG")
    except (OSError, EOFError, ValueError, SyntaxError) as error:  # Pillow's, for damaged files
        raise stale_file(folder / "film.gif", "a GIF", str(error)) from error
    return Film(episode, gif, size, first_frame.getvalue())


def _read_variance(files: TaskFiles) -> Variance:
    columns = ["policy", "baseline", "signal_to_noise"]
    table = read_table(files.variance, columns)
    ratios = list(zip(*(table[name] for name in columns), strict=True))
    return Variance(ratios, _read_bytes(files.variance_picture))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise unreadable(path, "a picture", error) from error


Model = TypeVar("Model", bound=_FilePart)


def _validated(model: type[Model], path: Path, value: object) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise stale_file(path, "the output of its stage", f"{where}: {first['msg']}") from error
