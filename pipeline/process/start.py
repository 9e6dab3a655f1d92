"""The start of TensorFlow: quiet, quick, and with reproducible results."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def start_tensorflow() -> None:
    """Imports TensorFlow without its start-up noise, and makes what it computes reproducible.

    One thread for each operation and deterministic operations: the same bits on any number of
    cores. (With networks as small as these, one thread is also the fastest; under XLA all the more
    where its matrix products do not ask for others, unless the environment has flags for it.) And
    Keras as it comes, whatever the user's `keras.json` says.

    A fifth of the time is saved by what is not imported: Keras would, if it could, import
    Matplotlib for galleries of images; TensorFlow Probability, if TensorFlow was there first, its
    layers and experimental parts. Another sixth, by not looking for garbage meanwhile, of which
    there is none, nor ever again among the million objects that were imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _garbage_ignored(), _stderr_withheld(), _module_withheld("matplotlib"):
        import tensorflow_probability  # noqa: F401, I001
        import tensorflow as tf
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        tf.config.list_logical_devices()  # looks for GPUs, and says so where there is none


@contextmanager
def _garbage_ignored() -> Iterator[None]:
    """Does not look for objects that refer to each other alone; what is there at the end stays."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def _module_withheld(name: str) -> Iterator[None]:
    """Makes an import of a module fail that has not been imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # which is how Python knows of such ones
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _stderr_withheld() -> Iterator[None]:
    """Withholds what is written to the standard error, C++ code's included, unless it fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as withheld:
        os.dup2(withheld.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            withheld.seek(0)
            os.write(kept, withheld.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
