"""Learning-rate schedules, which also determine when a run ends."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np


class Schedule(Protocol):
    """The learning rate of each update of a run."""

    def upcoming(self, num_updates: int, num_env_steps: int) -> np.ndarray:
        """Return the learning rates of the next updates, as far as they are known.

        Args:
            num_updates: Updates of the run so far.
            num_env_steps: Env steps of these updates.

        Returns:
            `[K]` float32; at least one unless the run has ended.
        """


class UpdateSchedule(NamedTuple):
    """A schedule over a number of updates."""

    rates: np.ndarray  # [U] float32

    def upcoming(self, num_updates: int, num_env_steps: int) -> np.ndarray:
        """See `Schedule`."""
        return self.rates[num_updates:]


class EnvStepSchedule(NamedTuple):
    """A schedule over a number of env steps; the run ends with the update that reaches it."""

    num_env_steps: int
    rates: Callable[[np.ndarray], np.ndarray]  # progress from 0 to 1, [K] → rates [K]

    def upcoming(self, num_updates: int, num_env_steps: int) -> np.ndarray:
        """See `Schedule`; the rate after the next update depends on its env steps."""
        progress = np.array([num_env_steps / self.num_env_steps])
        return self.rates(progress[progress < 1]).astype(np.float32)
