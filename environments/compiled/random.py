"""Random numbers for what XLA compiles."""

import tensorflow as tf


def algorithm() -> str:
    """Choose `alg` of `tf.random`'s stateless functions.

    XLA's program for a processor takes some 4 ns for a number of ThreeFry, 1 µs for one of Philox,
    TensorFlow's default (from 128 numbers on), and a third of the time to compile. Outside of XLA
    there is no ThreeFry: a function that runs eagerly, to be looked at, draws by Philox.
    """
    return "auto_select" if tf.executing_eagerly() else "threefry"


def uniform(shape: list[int], seed: tf.Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Uniform draws from [low, high), `shape` float32, by a stateless seed `[2]` (int32)."""
    return tf.random.stateless_uniform(shape, seed, low, high, alg=algorithm())
