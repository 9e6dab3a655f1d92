"""The valid steps of a batch of episodes, a chunk of them at a time.

The steps of one episode follow those of the other, without the padding between them: work follows
the number of env steps, and memory the chunk, whatever the number and the lengths of the episodes.

In the shapes, B is the number of episodes, T that of steps, padded, and C a chunk's.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from reinforce.episodes import flatten_steps, write_rows


class Chunk(NamedTuple):
    """C steps of a batch, laid out as those of one episode."""

    rows: tf.Tensor  # [1, C] int32, where they are among the B · T of the batch
    valid: tf.Tensor  # [1, C] bool; what is left over in the last chunk repeats the last valid step

    def take(self, values: tf.Tensor) -> tf.Tensor:
        """These steps of `[B, T, …]`: `[1, C, …]`."""
        return tf.gather(flatten_steps(values), self.rows)


def fold_chunks(
    step: Callable[[Chunk, Any], Any], initial: Any, valid: tf.Tensor, chunk_size: int
) -> Any:
    """Run `step(chunk, state) → state` for one chunk of valid steps after the other.

    Args:
        step: Takes a chunk and what the chunk before it returned.
        initial: What the first one is given: tensors in any nest.
        valid: `[B, T]` bool, at least one step of each episode, and no gaps.
        chunk_size: C; smaller if the batch has no room for as many steps.
    """
    valid = tf.convert_to_tensor(valid)
    known = valid.shape.is_fully_defined()
    num_episodes, num_steps = valid.shape if known else tf.unstack(tf.shape(valid))
    minimum = min if known else tf.minimum
    size = minimum(chunk_size, num_episodes * num_steps)
    lengths = tf.math.count_nonzero(valid, axis=1, dtype=tf.int32)  # [B]
    ends = tf.cumsum(lengths)  # [B]: the valid steps are numbered from 0 to ends[-1] − 1
    begins = ends - lengths
    # Of as many episodes as a chunk of steps can be of, from that of its first step on.
    coming_ends = tf.pad(ends, [[0, size]], constant_values=tf.int32.max)

    def body(begin: tf.Tensor, first: tf.Tensor, state: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
        places = tf.slice(coming_ends, [first], [size]) - begin
        has_ended = write_rows(tf.zeros([size + 1], tf.int32), places, tf.ones([size], tf.int32))
        episodes = tf.minimum(first + tf.cumsum(has_ended), num_episodes - 1)  # [C + 1]
        numbers = begin + tf.range(size)
        rows = episodes[:-1] * num_steps + tf.minimum(numbers, ends[-1] - 1)
        rows -= tf.gather(begins, episodes[:-1])
        chunk = Chunk(rows[tf.newaxis], (numbers < ends[-1])[tf.newaxis])
        return begin + size, episodes[-1], step(chunk, state)

    *_, final = tf.while_loop(lambda begin, *_: begin < ends[-1], body, (0, 0, initial))
    return final
