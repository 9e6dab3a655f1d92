"""Sizes tuned for a CPU or a GPU.

They affect speed and memory, and also the exact results. Sums over different chunks round
differently, and with a different number of environment copies, actions get different random
numbers.
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
    noise_steps: int  # env steps for which the actions' noise is drawn at a time
    checks_each_step: bool  # check for the end after each env step, else every `noise_steps` steps
    returns_by_doubling: bool  # rather than step by step; see `discounted_returns`
    chunk_size: int  # steps that are differentiated at a time, when compiled by XLA
    eager_chunk_size: int  # steps that are differentiated at a time without XLA


def _few_copies(num_episodes: int) -> int:
    """Return the number E of copies for a CPU, about 4 √B for B episodes.

    With more copies, too many sit idle while the last episodes finish. With fewer, the fixed cost
    of a step is spread over fewer copies. The first cost grows as E / B, the second as 1 / E.
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
    """Return the number of copies for a GPU: one per episode, up to 65,536.

    A step takes a GPU about as long for one copy as for many.
    """
    return math.ceil(num_episodes / math.ceil(num_episodes / 65_536))


# On a GPU, launching a kernel is expensive, and asking the host whether to continue even more so.
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
    """Trace functions with these sizes while the context is open, whatever the device."""
    token = _chosen.set(sizes)
    try:
        yield
    finally:
        _chosen.reset(token)
