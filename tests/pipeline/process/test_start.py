"""Starting a stage, and exiting when it cannot continue."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.process.messages import exit_with_message

START = """
from pipeline.process.start import start_tensorflow
start_tensorflow()
import keras
print(keras.backend.backend(), keras.config.floatx(), keras.config.epsilon())
"""


def test_the_users_keras_settings_are_ignored(tmp_path):
    settings = {"backend": "jax", "floatx": "float64", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    shown = subprocess.run(
        [sys.executable, "-c", START],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "numpy"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert (shown.stdout, shown.stderr) == ("tensorflow float32 1e-07\n", "")


def test_numpy_computes_on_one_thread():
    # OpenBLAS reads the variable when NumPy is imported.
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys, pipeline; print('numpy' in sys.modules, os.environ)",
        ],
        cwd=Path(__file__).parents[3],
        env={name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.startswith("False")
    assert "'OPENBLAS_NUM_THREADS': '1'" in shown.stdout


@pytest.mark.parametrize("zeros", [np.zeros, tf.zeros])
def test_running_out_of_memory_gives_one_message(zeros):
    with (
        pytest.raises(SystemExit, match="^stage: out of memory: "),
        exit_with_message("stage"),
    ):
        zeros([10**6, 10**6, 10**5])


def test_a_bug_in_the_program_has_a_traceback():
    with pytest.raises(ZeroDivisionError), exit_with_message("stage"):
        1 / 0  # noqa: B018
