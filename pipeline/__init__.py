"""The stages of the pipeline, `python -m pipeline <stage> <task>`, and what they are made of."""

import re
import sys

if sys.argv[:1] == ["-m"]:  # so long as Python looks for the module that it is to run
    part = re.search(r" -\w*m ?pipeline\.(\S+)", " ".join(sys.orig_argv))
    if part is not None:
        sys.exit(f"pipeline.{part[1]} does nothing by itself; run `python -m pipeline {part[1]}`")
