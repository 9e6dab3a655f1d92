"""Going through a batch of episodes a chunk of steps at a time.

Work then follows the longest episode, not the time limit, and memory follows the chunk. In the
shapes, B is the number of episodes, T that of steps, padded to whole chunks, and C a chunk's.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.reinforce.episodes import Episodes


def pad_to_chunks(episodes: Episodes, chunk: int) -> Episodes:
    """The same episodes with padding up to a multiple of `chunk` steps."""
    episodes = Episodes(*map(tf.convert_to_tensor, episodes))
    missing = -tf.shape(episodes.valid)[1] % chunk
    static = episodes.valid.shape[1]
    if static is not None and static % chunk == 0:
        return episodes

    def pad(values: tf.Tensor) -> tf.Tensor:
        rest = [[0, 0]] * (values.shape.rank - 2)
        return tf.pad(values, [[0, 0], [0, missing], *rest])

    return Episodes(*map(pad, episodes))


def fold_chunks(
    step: Callable[[tf.Tensor, Any], Any], initial: Any, valid: tf.Tensor, chunk: int
) -> Any:
    """Runs `step(start, state) → state` for each chunk that has a valid step, in order.

    Args:
        step: Takes the index of the chunk's first step and what the chunk before it returned.
        initial: What the first one is given: tensors in any nest.
        valid: `[B, T]`, where T is a multiple of `chunk`.
        chunk: C.
    """
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(valid, tf.int32), axis=1))
    _, final = tf.while_loop(
        lambda start, _: start < longest,
        lambda start, state: (start + chunk, step(start, state)),
        (tf.constant(0), initial),
    )
    return final


def take_chunk(values: tf.Tensor, start: tf.Tensor, chunk: int) -> tf.Tensor:
    """Steps `start … start + C − 1` of `[B, T, …]`: `[B, C, …]`."""
    values = tf.convert_to_tensor(values)
    rest = values.shape[2:].as_list()
    size = [tf.shape(values)[0], chunk, *rest]
    part = tf.slice(values, [0, start, *[0] * len(rest)], size)
    return tf.ensure_shape(part, [values.shape[0], chunk, *rest])
