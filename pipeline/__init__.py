"""The stages and commands of the pipeline: `python -m pipeline <stage> <task>`."""

import os
import re
import sys

# Before NumPy is imported. The sums of its matrix products depend on the number of threads, and
# with the sizes here, one is the fastest.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if sys.argv[:1] == ["-m"]:  # while Python looks for the module to run
    part = re.search(r" -\w*m ?pipeline\.(\S+)", " ".join(sys.orig_argv))
    if part is not None:
        sys.exit(f"pipeline.{part[1]} does nothing by itself; run `python -m pipeline {part[1]}`")
