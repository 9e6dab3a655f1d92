"""What all stages share: the command line, the parameters, and how a mistake ends.

A stage's function imports TensorFlow, and what builds on it, when it runs: a mistake in params.yaml
is then answered in half a second and not after TensorFlow's start.
"""

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline.check import check
from pipeline.environments.compiled import why_not_compiled
from pipeline.environments.specification import EnvironmentSpecification, inspect_environment
from pipeline.errors import UserError
from pipeline.files.task_files import TaskFiles
from pipeline.parameters.schema import TaskParams
from pipeline.processes.interruption import Interrupted
from pipeline.processes.orphans import end_with_dvc

DATA, CHECKPOINTS = Path("data"), Path("checkpoints")


class Task(NamedTuple):
    """One task as a stage sees it."""

    name: str
    seed: int  # root of all random streams
    params: TaskParams
    specification: EnvironmentSpecification
    files: TaskFiles
    num_workers: int | None = 1  # runs that are performed side by side; None: see `perform_runs`
    checkpoint_seconds: float = 30.0  # between a run's checkpoints, at least

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints (see `pipeline.training.checkpoints`)."""
        return CHECKPOINTS / self.name

    @property
    def is_compiled(self) -> bool:
        """Whether the policies are rolled out and trained in a compiled environment."""
        env = self.params.env
        return env.backend != "gymnasium" and why_not_compiled(env.id, env.kwargs) is None


def load_task(params_path: Path, name: str) -> Task:
    """Reads and checks the parameters of one task.

    Raises:
        UserError: If params.yaml holds mistakes, or no such task.
    """
    params = check(params_path, [name])
    task = params.tasks[name]
    return Task(
        name=name,
        seed=params.seed,
        params=task,
        specification=inspect_environment(task.env.id, task.env.kwargs, task.env.max_episode_steps),
        files=TaskFiles(DATA / name),
        num_workers=params.num_workers,
        checkpoint_seconds=params.checkpoint_seconds,
    )


def run_stage(stage: Callable[[Task], None]) -> None:
    """Runs a stage as a command, `python -m pipeline.<stage> <task>`; see `one_message`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.{stage.__name__}", description=stage.__doc__
    )
    parser.add_argument("task", help="a section of `tasks` in params.yaml")
    parser.add_argument(
        "--params", type=Path, default=Path("params.yaml"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    end_with_dvc()
    with one_message(parser.prog):
        stage(load_task(arguments.params, arguments.task))


@contextmanager
def one_message(command: str) -> Iterator[None]:
    """Ends a command that cannot go on.

    The exit status is 1 after a user's mistake, numbers that are not finite, too little memory, or
    a file that cannot be read or written, with one message and no traceback; 130 after Ctrl-C, and
    128 and its number after another signal that it could answer.
    """
    try:
        yield
    except UserError as error:
        sys.exit(str(error))
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(128 + error.number)
    except FloatingPointError as error:
        sys.exit(f"{command}: {error}")
    except OSError as error:
        sys.exit(f"{error.filename or command}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # MemoryError, or one of its children; or TensorFlow's, which may not have been imported.
        if {"MemoryError", "ResourceExhaustedError"}.isdisjoint(
            t.__name__ for t in type(error).mro()
        ):
            raise
        sys.exit(f"{command}: expected enough memory, received {str(error).partition(chr(10))[0]}")


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
        except BaseException:
            sys.stderr.flush()
            withheld.seek(0)
            os.write(kept, withheld.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
