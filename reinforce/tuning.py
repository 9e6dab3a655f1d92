"""Sizes that suit the device.

They change speed and memory. They also change the last bits of results: sums over other chunks
round differently, and another number of environment copies gives actions other random numbers.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import tensorflow as tf


class Tuning(NamedTuple):
    """Sizes for one kind of device."""

    num_copies: Callable[[int], int]  # episodes of a batch → environment copies that sample them
    noise_steps: int  # env steps for which the noise of actions is drawn at a time
    checks_each_step: bool  # whether each env step, or only each `noise_steps`-th, asks for the end
    returns_by_doubling: bool  # rather than step by step; see `discounted_returns`
    chunk_size: int  # steps that are differentiated at a time, compiled by XLA
    eager_chunk_size: int  # the same, where each operation is called by itself


def _few_copies(num_episodes: int) -> int:
    """About 4 √B copies sample B episodes.

    With more, too many sit idle while the last episodes finish; with fewer, the fixed cost of a
    step weighs more. The first cost grows as E / B, the second as 1 / E.
    """
    num_rounds = max(1, round(math.sqrt(num_episodes) / 4))
    return math.ceil(num_episodes / num_rounds)


CPU = Tuning(
    num_copies=_few_copies,
    noise_steps=32,
    checks_each_step=True,
    returns_by_doubling=False,
    chunk_size=256,  # large enough for fast matrix products, small enough for the cache
    eager_chunk_size=4096,
)


def _many_copies(num_episodes: int) -> int:
    """All episodes at once, up to 65,536: a step takes a GPU about as long for one as for many."""
    return math.ceil(num_episodes / math.ceil(num_episodes / 65_536))


# What is dear on a GPU is to start a kernel, and most of all to ask the host whether to go on.
GPU = Tuning(
    num_copies=_many_copies,
    noise_steps=16,
    checks_each_step=False,
    returns_by_doubling=True,
    chunk_size=524_288,
    eager_chunk_size=262_144,
)
_chosen: ContextVar[Tuning | None] = ContextVar("chosen", default=None)


def tuning() -> Tuning:
    """Return the sizes for the device on which TensorFlow computes."""
    return _chosen.get() or (GPU if tf.config.list_logical_devices("GPU") else CPU)


@contextmanager
def tuned_for(sizes: Tuning) -> Iterator[None]:
    """Trace functions for another device than TensorFlow's."""
    token = _chosen.set(sizes)
    try:
        yield
    finally:
        _chosen.reset(token)
