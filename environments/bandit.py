"""The multi-armed Bernoulli bandit as a Gymnasium environment."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Bandit(gymnasium.Env[np.ndarray, np.int64]):
    """One pull per episode: arm a pays `payouts[a]` with probability `probabilities[a]`, else 0.

    The observation is constant, `[1.]`, so a policy without hidden layers is a plain softmax over
    arms. The environment is registered as `Bandit-v0`.

    Args:
        probabilities: Win probability of each arm, in [0, 1]. At least one arm is needed.
            Defaults to `(0.3, 0.7)`.
        payouts: Reward for a win of each arm: one finite number per arm.
            Defaults to 1 for every arm.

    Raises:
        ValueError: If `probabilities` is empty or has an element outside [0, 1], or if `payouts`
            has a different length or an element that is not finite.

    Source: Sutton & Barto (2018), chapter 2.
    """

    metadata = {"render_modes": []}

    def __init__(
        self,
        probabilities: Sequence[float] = (0.3, 0.7),
        payouts: Sequence[float] | None = None,
    ) -> None:
        self.probabilities = _vector("probabilities", probabilities)
        if not len(self.probabilities):
            raise ValueError("Received no `probabilities`, expected one per arm.")
        if not np.all((self.probabilities >= 0) & (self.probabilities <= 1)):
            raise ValueError(
                "Received an invalid value for `probabilities`, expected numbers between 0 and 1. "
                f"Received: probabilities={list(probabilities)}"
            )
        num_arms = len(self.probabilities)
        self.payouts = np.ones(num_arms) if payouts is None else _vector("payouts", payouts)
        if len(self.payouts) != num_arms or not np.all(np.isfinite(self.payouts)):
            raise ValueError(
                f"Received an invalid value for `payouts`, expected {num_arms} finite numbers, one "
                f"per arm. Received: payouts={self.payouts.tolist()}"
            )
        self.observation_space = spaces.Box(0.0, 1.0, shape=(1,), dtype=np.float32)
        self.action_space = spaces.Discrete(num_arms)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pull arm `action`, which terminates the episode."""
        won = self.np_random.random() < self.probabilities[action]
        return np.ones(1, np.float32), float(won * self.payouts[action]), True, False, {}


def _vector(name: str, values: Sequence[float]) -> np.ndarray:
    """Convert `values` to a vector of floats."""
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(())
    if vector.ndim != 1:
        raise ValueError(
            f"Received an invalid value for `{name}`, expected a list of numbers. "
            f"Received: {name}={values!r}"
        )
    return vector
