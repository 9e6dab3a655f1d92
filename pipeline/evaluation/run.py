"""The work of one worker of stage `evaluate`: evaluate runs of a task, one after the other."""

from contextlib import closing

import numpy as np

from environments.faults import closing_quietly
from environments.specification import EnvironmentSpecification
from environments.vector.make import make_environments
from pipeline.evaluation import exported
from pipeline.evaluation.planes import choose_plane, grid
from pipeline.evaluation.table import EvaluatedRun, concatenated, discounted
from pipeline.playing.environments import make_environment
from pipeline.playing.replay import record
from pipeline.runs.workers import Perform, Report
from pipeline.task.artifacts import Table
from pipeline.task.seeds import Purpose
from pipeline.task.task import Task
from reinforce.episodes import Episodes
from reinforce.sampling.gymnasium import sample_episodes
from reinforce.sampling.protocol import Actor

NUM_VISITED = 2000  # visited steps of the chosen policy that are kept for its picture
PLANE_POINTS = 61  # along each side of the plane


def prepare_evaluation(task: Task, chosen: int) -> Perform[EvaluatedRun]:
    """Build the function that evaluates runs of a task.

    Args:
        task: The task.
        chosen: The run whose policy was exported as the task's policy.

    Returns:
        A function that evaluates one run. It reports `greedy` and `sampled` when it has played the
        episodes of that mode.
    """
    num_episodes, num_copies = task.params.evaluate.num_episodes, task.params.env.num_copies

    def perform(run: int, report: Report) -> EvaluatedRun:
        signatures = exported.load_signatures(task.files.policies / str(run))
        actors = {
            "greedy": (exported.Greedy(signatures), Purpose.GREEDY_EVALUATION),
            "sampled": (exported.Sampled(signatures), Purpose.SAMPLED_EVALUATION),
        }
        tables = []
        with closing(
            make_environments(task.specification, num_episodes, num_copies)
        ) as environments:
            for mode, (actor, purpose) in actors.items():
                seed = task.stream(purpose, run)
                episodes = sample_episodes(environments, actor, num_episodes, seed)
                tables.append(_tabulate(task, episodes, run, mode))
                report(mode)
        visited = plane = episode = None
        if run == chosen:  # `episodes` are now the sampled ones
            observations = _thinned(episodes.observations[episodes.valid], NUM_VISITED)
            unmasked = exported.split_inputs(signatures, observations)["observation"]
            visited = _columns("observation", unmasked)
            visited |= exported.distribution_parameters(signatures, observations)
            plane, there = _plane(task.specification.id, unmasked)
            mask_size = observations.shape[1] - unmasked.shape[1]
            # All actions are legal there.
            there = np.pad(there, [(0, 0), (0, mask_size)], constant_values=1)
            plane |= exported.distribution_parameters(signatures, there)
            episode = _record(task.specification, actors["greedy"][0])
        return EvaluatedRun(concatenated(tables), visited, plane, episode)

    return perform


def _record(specification: EnvironmentSpecification, actor: Actor) -> Table:
    """Play a greedy episode in a separate environment, for the film."""
    with closing_quietly(make_environment(specification, None)) as env:
        return record(env, lambda seen: actor.act(seen).action, specification.id)


def _tabulate(task: Task, episodes: Episodes, run: int, mode: str) -> Table:
    """Tabulate episodes, one row each."""
    num_episodes = len(episodes.valid)
    return {
        "run": np.full(num_episodes, run),
        "mode": np.full(num_episodes, mode),
        "episode": np.arange(num_episodes),
        "episode_return": episodes.episode_returns,
        "discounted_return": discounted(episodes.rewards, episodes.valid, task.params.train.gamma),
        "num_steps": episodes.num_steps,
        "terminated": episodes.terminated.any(axis=1).astype(int),
    }


def _thinned(values: np.ndarray, num: int) -> np.ndarray:
    """Return at most `num` rows, evenly spaced."""
    return values[np.linspace(0, len(values) - 1, min(num, len(values))).astype(int)]


def _plane(env_id: str, visited: np.ndarray) -> tuple[Table, np.ndarray]:
    """Return a grid on a plane of states: its two coordinates as a table, and its observations.

    If the observations vary too little for a plane, return a single visited point.
    """
    plane = choose_plane(env_id, visited)
    if plane is None:
        return _columns("observation", visited[:1]), visited[:1]
    x, y, observations = grid(plane, PLANE_POINTS)
    return {plane.x.label: x, plane.y.label: y}, observations


def _columns(name: str, values: np.ndarray) -> Table:
    """Split `[N, O]` into O columns `name_0`, `name_1`, and so on."""
    return {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
