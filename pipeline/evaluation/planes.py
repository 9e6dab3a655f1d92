"""Planes through the observation space, on which one picture can show a whole policy."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Axis(NamedTuple):
    """A quantity that varies along one side of a plane."""

    label: str  # with its unit; no comma
    low: float
    high: float


class Plane(NamedTuple):
    """Two quantities that vary while all others are fixed."""

    x: Axis
    y: Axis
    observe: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]  # x [N], y [N] → O arrays [N]


def _zeros(values: np.ndarray) -> np.ndarray:
    return np.zeros_like(values)


def _angle(label: str, limit: float) -> Axis:
    return Axis(f"{label} (degrees)", -limit, limit)


# Keyed by the id without its version, since the observations are the same in all versions.
_PLANES = {
    "CartPole": Plane(
        _angle("pole angle", 12),
        Axis("pole angular velocity (rad/s)", -1, 1),
        lambda angle, velocity: [_zeros(angle), _zeros(angle), np.deg2rad(angle), velocity],
    ),
    "InvertedPendulum": Plane(
        _angle("pole angle", 11.5),
        Axis("pole angular velocity (rad/s)", -1, 1),
        lambda angle, velocity: [_zeros(angle), np.deg2rad(angle), _zeros(angle), velocity],
    ),
    "Pendulum": Plane(
        _angle("angle from upright", 180),
        Axis("angular velocity (rad/s)", -8, 8),
        lambda angle, velocity: [
            np.cos(np.deg2rad(angle)),
            np.sin(np.deg2rad(angle)),
            velocity,
        ],
    ),
    "MountainCar": Plane(
        Axis("position", -1.2, 0.6),
        Axis("velocity (per env step)", -0.07, 0.07),
        lambda position, velocity: [position, velocity],
    ),
    "Acrobot": Plane(
        _angle("angle of the first link", 180),
        _angle("angle of the second link to it", 180),
        lambda first, second: [
            np.cos(np.deg2rad(first)),
            np.sin(np.deg2rad(first)),
            np.cos(np.deg2rad(second)),
            np.sin(np.deg2rad(second)),
            _zeros(first),
            _zeros(first),
        ],
    ),
}
_PLANES["MountainCarContinuous"] = _PLANES["MountainCar"]


def choose_plane(env_id: str, visited: np.ndarray) -> Plane | None:
    """Choose a plane for an environment's policies.

    For known environments the plane is spanned by angles and velocities; all other quantities are
    0. For any other environment, it is spanned by the first two observation components that take
    more than two values. The other components are fixed at the visited observation nearest to the
    medians. A component with two values is a flag or part of a one-hot vector, and no states lie
    between the two.

    Args:
        env_id: The Gymnasium id.
        visited: Observations that occur, `[N, O]`.

    Returns:
        The plane; None if fewer than two components take more than two values.
    """
    name = re.sub(r"-v\d+\Z", "", env_id.rpartition(":")[2])
    known = _PLANES.get(name)  # another package's environment may share the name
    if known is not None and grid(known, 1)[2].shape[1] == visited.shape[1]:
        return known
    varying = np.flatnonzero([len(np.unique(values)) > 2 for values in visited.T])
    if len(varying) < 2:
        return None
    distances = np.abs(visited - np.median(visited, axis=0)) / np.maximum(visited.std(axis=0), 1e-9)
    nearest = visited[distances.sum(axis=1).argmin()]

    def observe(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        columns = [np.full_like(x, value) for value in nearest]
        columns[varying[0]], columns[varying[1]] = x, y
        return columns

    x, y = (
        Axis(f"observation[{i}]", float(visited[:, i].min()), float(visited[:, i].max()))
        for i in varying[:2]
    )
    return Plane(x, y, observe)


def grid(plane: Plane, num_points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid of points on a plane.

    Args:
        plane: The plane.
        num_points: n, the number of points along each side, both ends included.

    Returns:
        x `[n²]`, y `[n²]` and the observations `[n², O]`, float32. y varies slowest.
    """
    x, y = (np.linspace(axis.low, axis.high, num_points) for axis in (plane.x, plane.y))
    xs, ys = (values.ravel() for values in np.meshgrid(x, y))
    return xs, ys, np.stack(plane.observe(xs, ys), axis=1).astype(np.float32)
