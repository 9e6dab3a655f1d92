"""The random generators that all code of a process shares."""

import random

import numpy as np


def seed_global_generators(seed: int) -> None:
    """Seed `random` and `np.random`, which some third-party environments draw from.

    Call this before an environment is made and whenever one is reset with a seed. Nothing else
    here draws from them.

    Args:
        seed: From 0 to 2^32 − 1.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
