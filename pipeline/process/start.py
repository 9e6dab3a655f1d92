"""Starting TensorFlow quietly, quickly and with reproducible results."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.process.xla_cache import xla_cache


def start_tensorflow() -> None:
    """Import TensorFlow without its start-up messages and make its results reproducible.

    Operations are deterministic and use one thread each, so results have the same bits on any
    number of cores. With networks this small, one thread is also the fastest, especially under XLA
    if its matrix products do not start more (unless XLA_FLAGS is set already). Keras gets its
    default settings, whatever the user's `keras.json` says.

    Skipping imports saves a fifth of the time. Keras would import Matplotlib, if installed, for
    image galleries. TensorFlow Probability would import its layers and experimental parts if
    TensorFlow were imported first. Pausing garbage collection saves another sixth: imports create
    no garbage. The million objects imported are also excluded from all later collections.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with (
        _garbage_collection_paused(),
        _stderr_suppressed(),
        _import_blocked("matplotlib"),
        xla_cache(),
    ):
        import tensorflow_probability  # noqa: F401, I001
        import tensorflow as tf
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        tf.config.list_logical_devices()  # looks for GPUs now, while messages are suppressed


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection; exempt all objects that exist then from later ones."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def _import_blocked(name: str) -> Iterator[None]:
    """Let imports of a module fail unless it has been imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's marker for a blocked import
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _stderr_suppressed() -> Iterator[None]:
    """Suppress the standard error, C++ output included; print it if an exception is raised."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            captured.seek(0)
            os.write(original, captured.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
