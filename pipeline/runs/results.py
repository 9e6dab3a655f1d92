"""The result of training one run, as a worker returns it."""

from typing import NamedTuple

import numpy as np

from reinforce.records import UpdateRecord


class TrainedRun(NamedTuple):
    """A finished training run."""

    records: list[UpdateRecord]  # one for each update
    kept: int | None  # the update whose episodes the kept policy sampled; None: kept the last
    weights: dict[str, np.ndarray]  # of the kept policy, by variable path
    distribution: np.ndarray  # [N], mean parameters of its action distribution, last episodes
    parameter_names: tuple[str, ...]  # [N]
