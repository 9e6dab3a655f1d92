"""Start TensorFlow as the stages do, before any test imports it.

XLA's optimizations are off: programs in tests run so briefly that compiling them takes longer.
"""

import os

from pipeline.process.start import start_tensorflow

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
)
os.environ["XLA_CACHE"] = "off"
start_tensorflow()
