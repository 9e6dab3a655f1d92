"""Independent random streams, one for each purpose, run and update."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The purpose of a random stream. Never renumber: all results depend on the numbers."""

    INITIAL_WEIGHTS = 0
    ROLLOUT = 1
    TRAINING = 2
    GREEDY_EVALUATION = 3
    SAMPLED_EVALUATION = 4
    INITIAL_VALUE_WEIGHTS = 5
    VARIANCE = 6
    TUNING = 7


def stream(seed: int, purpose: Purpose, run: int, update: int = 0) -> np.random.SeedSequence:
    """Make the random stream of one run, one purpose and, in training, one update.

    Args:
        seed: Root seed, from 0 to 2^32 − 1.
        purpose: The purpose of the stream.
        run: Number of the run, from 0.
        update: Number of updates that the policy has had so far. Defaults to 0.

    Returns:
        A seed sequence. Its hash makes the streams of different arguments independent.
    """
    return np.random.SeedSequence([seed, purpose, run, update])
