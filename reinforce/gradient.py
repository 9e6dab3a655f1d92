"""Gradients of losses over a batch of episodes, accumulated over chunks of steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from reinforce.chunks import Chunk, fold_chunks


class SummedGradients(NamedTuple):
    """Sums over all chunks of a batch."""

    gradients: list[list[tf.Tensor]]  # for each loss, one tensor per variable
    sums: Any  # of the additional tensors that `losses` returned


def sum_gradients(
    losses: Callable[[Chunk], tuple[Sequence[tf.Tensor], Any]],
    variables: Sequence[tf.Variable],
    valid: tf.Tensor,
    chunk_size: int,
    zeros: Any = (),
    num_losses: int = 1,
) -> SummedGradients:
    """Sum the gradients of losses over the valid steps, chunk by chunk.

        ∇L = Σ_chunks ∇L(chunk), where L = Σ_chunks L(chunk)

    Memory depends on the chunk size, not on the number and lengths of the episodes.

    Args:
        losses: Takes a chunk. Returns the chunk's terms of each loss (scalars), and a nested
            structure of additional tensors to be summed over the chunks.
        variables: The losses are differentiated with respect to these.
        valid: `[B, T]` bool.
        chunk_size: Number of steps that are differentiated at a time.
        zeros: The additional tensors' initial values, zeros of their shapes. Defaults to ():
            there are none.
        num_losses: Number of losses. Defaults to 1.

    Returns:
        The gradients of each loss, and the sums of the additional tensors.
    """

    def add(chunk: Chunk, total: SummedGradients) -> SummedGradients:
        with tf.GradientTape(persistent=num_losses > 1) as tape:
            terms, additional = losses(chunk)
        gradients = [tape.gradient(term, variables) for term in terms]
        return tf.nest.map_structure(tf.add, total, SummedGradients(gradients, additional))

    gradients = [[tf.zeros(v.shape, v.dtype) for v in variables] for _ in range(num_losses)]
    return fold_chunks(add, SummedGradients(gradients, zeros), valid, chunk_size)
