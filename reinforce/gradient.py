"""The gradient of a loss over a batch of episodes, accumulated over chunks of steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from reinforce.chunks import Chunk, fold_chunks


class SummedGradients(NamedTuple):
    """Sums over all chunks of a batch."""

    gradients: list[list[tf.Tensor]]  # of each loss, one for each variable
    sums: Any  # of what was computed beside the losses


def sum_gradients(
    losses: Callable[[Chunk], tuple[Sequence[tf.Tensor], Any]],
    variables: Sequence[tf.Variable],
    valid: tf.Tensor,
    chunk_size: int,
    zeros: Any = (),
    num_losses: int = 1,
) -> SummedGradients:
    """Sum the gradients of losses over the valid steps, a chunk of them at a time.

    Memory follows the chunk, however many and however long the episodes are.

    Args:
        losses: Takes a chunk; returns its share of each loss, scalars, and a nest of tensors to be
            summed beside them.
        variables: The losses are differentiated with respect to these.
        valid: `[B, T]` bool.
        chunk_size: Number of steps that are differentiated at a time.
        zeros: The nest that `losses` returns, as zeros. Defaults to nothing.
        num_losses: How many losses there are. Defaults to 1.
    """

    def add(chunk: Chunk, total: SummedGradients) -> SummedGradients:
        with tf.GradientTape(persistent=num_losses > 1) as tape:
            shares, others = losses(chunk)
        gradients = [tape.gradient(share, variables) for share in shares]
        return tf.nest.map_structure(tf.add, total, SummedGradients(gradients, others))

    gradients = [[tf.zeros(v.shape, v.dtype) for v in variables] for _ in range(num_losses)]
    return fold_chunks(add, SummedGradients(gradients, zeros), valid, chunk_size)
