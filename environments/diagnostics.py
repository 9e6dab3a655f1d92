"""Warnings about an environment that can make its results unreliable."""

from contextlib import chdir
from pathlib import Path

import numpy as np

from environments.faults import EnvironmentFault, closing_quietly
from environments.specification import EnvironmentSpecification
from environments.vector.make import make_environments
from environments.vector.trial import Trial, play_trial

NUM_STEPS = 100  # the longest trial episode


def find_warnings(specification: EnvironmentSpecification) -> list[str]:
    """Play a short episode twice and look for problems that are not errors.

    Returns:
        One text per problem. There are two: the episodes differ, or float32 loses digits of an
        observation.

    Raises:
        EnvironmentFault: If the environment cannot be made, misbehaves, or changes the working
            directory.
    """
    first, second = (_trial(specification) for _ in range(2))
    found = []
    if not first.equals(second):
        found.append(
            "expected the same episode from the same seed and actions, received a different one: "
            "results are not reproducible, since reset does not seed all random generators in use"
        )
    if lost := _lost_in_float32(first.observations):
        found.append(lost)
    return found


def _trial(specification: EnvironmentSpecification) -> Trial:
    folder = Path.cwd()
    with chdir(folder), closing_quietly(make_environments(specification, 1)) as environments:
        trial = play_trial(environments, specification, NUM_STEPS)
        if Path.cwd() != folder:
            raise EnvironmentFault(
                f"trial episode: expected the working directory to stay {folder}, since files are "
                f"read and written relative to it, received a change to {Path.cwd()}"
            )
    return trial


def _lost_in_float32(observations: np.ndarray) -> str | None:
    """Describe the components of observations `[N, O]` that vary too little for float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = abs(observations - observations.astype(np.float32)).max(axis=0)
        spread = observations.std(axis=0)
        rounding = 1e-9 * abs(observations).max(axis=0)  # more than float64's own
        lost = np.flatnonzero((spread > rounding) & (error > 0.01 * spread))
    if not lost.size:
        return None
    component = lost[0]
    return (
        f"component {component} of the observation has standard deviation {spread[component]:.3g}, "
        f"but policies receive it in float32, which rounds it by up to {error[component]:.3g}"
        f"{f' ({len(lost)} components are affected)' if len(lost) > 1 else ''}"
        "; subtract a constant in a wrapper to keep its digits (see docs/environments.md)"
    )
