"""Seeds for policies that are compiled functions. Imports no TensorFlow."""

from collections.abc import Iterator

import numpy as np


def draw_seeds(generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield an endless sequence of seeds `[2]` int32 for TensorFlow's stateless operations."""
    while True:
        yield from generator.integers(-(2**31), 2**31, size=(1024, 2), dtype=np.int32)
