"""The global random generators of a process."""

import random

import numpy as np


def seed_global_generators(seed: int) -> None:
    """Seed `random` and `np.random`, which some third-party environments use.

    Call this before an environment is made and whenever one is reset with a seed. The project's own
    code never uses these generators.

    Args:
        seed: From 0 to 2^32 − 1.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
