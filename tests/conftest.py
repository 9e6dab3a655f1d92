"""Starts TensorFlow as the stages do, before any test imports it.

But XLA's programs are not optimised: they run for moments here, and compiling them takes longer.
"""

import os

from pipeline.process.start import start_tensorflow

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
)
start_tensorflow()
