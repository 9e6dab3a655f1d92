"""Iteration over the valid steps of a batch of episodes, in chunks.

Chunks contain the steps of consecutive episodes, without the padding between them. The work is thus
proportional to the number of env steps and the memory to the chunk size, regardless of the number
and lengths of the episodes.

In the shapes, B is the number of episodes, T the number of steps including padding, and C the
number of steps of a chunk.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from reinforce.episodes import flatten_steps, write_rows


class Chunk(NamedTuple):
    """C steps of a batch, laid out like one episode."""

    rows: tf.Tensor  # [1, C] int32, indices of the steps among the B · T of the batch
    valid: tf.Tensor  # [1, C] bool; the last chunk is padded by repeating the last valid step

    def take(self, values: tf.Tensor) -> tf.Tensor:
        """Gather these steps from `[B, T, …]`: `[1, C, …]`."""
        return tf.gather(flatten_steps(values), self.rows)


def fold_chunks(
    step: Callable[[Chunk, Any], Any], initial: Any, valid: tf.Tensor, chunk_size: int
) -> Any:
    """Fold `step(chunk, state) → state` over the chunks of valid steps.

    Args:
        step: Takes a chunk and the state that the previous chunk returned.
        initial: State for the first chunk: tensors in any nested structure.
        valid: `[B, T]` bool. Each episode has at least one valid step; they come first, without
            gaps.
        chunk_size: C. Reduced to B · T if the batch is smaller.

    Returns:
        The state that the last chunk returned.
    """
    valid = tf.convert_to_tensor(valid)
    known = valid.shape.is_fully_defined()
    num_episodes, num_steps = valid.shape if known else tf.unstack(tf.shape(valid))
    minimum = min if known else tf.minimum
    size = minimum(chunk_size, num_episodes * num_steps)
    lengths = tf.math.count_nonzero(valid, axis=1, dtype=tf.int32)  # [B]
    ends = tf.cumsum(lengths)  # [B]: the valid steps are numbered from 0 to ends[-1] − 1
    begins = ends - lengths
    # Padded, so that the ends of C episodes can be sliced from any episode on: a chunk of C steps
    # spans C episodes or fewer.
    padded_ends = tf.pad(ends, [[0, size]], constant_values=tf.int32.max)

    def body(begin: tf.Tensor, first: tf.Tensor, state: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
        positions = tf.slice(padded_ends, [first], [size]) - begin  # of the ends, in the chunk
        has_ended = write_rows(tf.zeros([size + 1], tf.int32), positions, tf.ones([size], tf.int32))
        episodes = tf.minimum(first + tf.cumsum(has_ended), num_episodes - 1)  # [C + 1]
        numbers = begin + tf.range(size)
        rows = episodes[:-1] * num_steps + tf.minimum(numbers, ends[-1] - 1)
        rows -= tf.gather(begins, episodes[:-1])
        chunk = Chunk(rows[tf.newaxis], (numbers < ends[-1])[tf.newaxis])
        return begin + size, episodes[-1], step(chunk, state)

    *_, final = tf.while_loop(lambda begin, *_: begin < ends[-1], body, (0, 0, initial))
    return final
