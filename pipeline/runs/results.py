"""The result of training one run, as a worker hands it back."""

from typing import NamedTuple

import numpy as np

from reinforce.records import UpdateRecord


class TrainedRun(NamedTuple):
    """One run of training."""

    records: list[UpdateRecord]  # one for each update
    kept: int | None  # the update whose episodes the trained policy sampled; None: the last made it
    weights: dict[str, np.ndarray]  # of the trained policy, by variable path
    distribution: np.ndarray  # [N]: its action distribution's parameters, over the last episodes
    parameter_names: tuple[str, ...]  # N names
