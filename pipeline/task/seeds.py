"""Independent random streams, each a function of what it is for."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The purpose of a random stream. The numbers are part of every result: add, never renumber."""

    INITIAL_WEIGHTS = 0
    ROLLOUT = 1
    TRAINING = 2
    GREEDY_EVALUATION = 3
    SAMPLED_EVALUATION = 4
    INITIAL_VALUE_WEIGHTS = 5
    VARIANCE = 6


def stream(seed: int, purpose: Purpose, run: int, update: int = 0) -> np.random.SeedSequence:
    """The random stream of one run, one purpose and, in training, one update.

    Args:
        seed: Root seed, from 0 to 2^32 − 1.
        purpose: What the stream is for.
        run: Number of the run, from 0.
        update: Number of the update, from 0: how many the policy has learnt from.

    Returns:
        A seed sequence whose hash makes streams of different arguments independent.
    """
    return np.random.SeedSequence([seed, purpose, run, update])
