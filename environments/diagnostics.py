"""What an environment does that the user should know before its results are trusted."""

from contextlib import chdir
from pathlib import Path

import numpy as np

from environments.faults import EnvironmentFault, closing_quietly
from environments.specification import EnvironmentSpecification
from environments.vector.make import make_environments
from environments.vector.trial import Trial, play_trial

NUM_STEPS = 100  # of a trial at most


def find_warnings(specification: EnvironmentSpecification) -> list[str]:
    """Play a short episode twice, and say what the user should know.

    Returns:
        A text for each: that the episodes differ, and that float32 loses an observation's digits.

    Raises:
        EnvironmentFault: If the environment cannot be made, misbehaves, or changes the working
            directory.
    """
    first, second = (_trial(specification) for _ in range(2))
    found = []
    if not first.equals(second):
        found.append(
            "expected the same episode from the same seed and actions, received another one: "
            "results cannot be repeated, since its reset does not seed all that it draws from"
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
                f"a trial: expected {folder} to stay the working directory, since files are read "
                f"and written below it, received a change to {Path.cwd()}"
            )
    return trial


def _lost_in_float32(observations: np.ndarray) -> str | None:
    """Say which component of observations `[N, O]` varies too little for float32's digits."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = abs(observations - observations.astype(np.float32)).max(axis=0)
        spread = observations.std(axis=0)
        rounding = 1e-9 * abs(observations).max(axis=0)  # float64's own, and more
        lost = np.flatnonzero((spread > rounding) & (error > 0.01 * spread))
    if not lost.size:
        return None
    component = lost[0]
    return (
        f"component {component} of observations varies by {spread[component]:.3g} (standard "
        "deviation), and float32, in which policies observe, rounds it by up to "
        f"{error[component]:.3g}{f', and so on in {len(lost)} components' if len(lost) > 1 else ''}"
        "; a wrapper that subtracts a constant keeps the digits (see docs/environments.md)"
    )
