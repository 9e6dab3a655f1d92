"""Trial episodes with random actions, to test an environment beyond its spaces.

O is the number of components of an observation, T the number of env steps.
"""

import copy
from typing import NamedTuple

import numpy as np

from environments.faults import CopyFault, EnvironmentFault
from environments.specification import EnvironmentSpecification
from environments.vector.protocol import VectorEnvironments

SEED = 0
TOLERANCE = 1e-4  # absolute and relative, between two implementations in float32


class Trial(NamedTuple):
    """One trial episode, which may stop before its end."""

    observations: np.ndarray  # [T + 1, O]
    rewards: np.ndarray  # [T]
    ends: np.ndarray  # [T, 2] bool: terminated and truncated

    def equals(self, other: "Trial", tolerance: float = 0.0) -> bool:
        """Return True if two trials agree."""
        return all(
            a.shape == b.shape and np.allclose(a, b, tolerance, tolerance, equal_nan=True)
            for a, b in zip(self, other, strict=True)
        )


def play_trial(
    environments: VectorEnvironments, specification: EnvironmentSpecification, num_steps: int
) -> Trial:
    """Play an episode from `SEED` in a single copy, with random legal actions.

    The last observation is not checked to be finite, since no action follows it.

    Args:
        environments: A single copy.
        specification: Its specification.
        num_steps: Maximum number of env steps.

    Raises:
        EnvironmentFault: If the copy raises an error, or returns something invalid.
    """
    only = np.zeros(1, dtype=int)
    space, mask = copy.deepcopy(specification.action_space), specification.action_mask
    space.seed(SEED)
    rewards: list[float] = []
    ends: list[np.ndarray] = []
    where = "reset"
    try:
        environments.reset(SEED)
        observations = [environments.observations[0].copy()]
        while len(ends) < num_steps and not (ends and ends[-1].any()):
            where = f"step {len(ends)}"
            _require_finite("observation", observations[-1])
            if mask is None:
                action = space.sample()
            else:
                action = mask.sample(space, observations[-1][-mask.size :])
            outcome = environments.step(only, np.stack([action]))
            _require_finite("reward", outcome.rewards[0])
            observations.append(environments.observations[0].copy())
            rewards.append(outcome.rewards[0])
            ends.append(np.concatenate([outcome.terminated, outcome.truncated]))
    except CopyFault as fault:
        raise EnvironmentFault(f"trial episode, {where}: {fault}") from fault
    return Trial(np.stack(observations), np.array(rewards), np.array(ends))


def _require_finite(name: str, values: np.ndarray) -> None:
    """Raise CopyFault unless all values are finite in float32."""
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(values)).all():
            raise CopyFault(f"expected a finite {name}, received {values}", None)
