"""Time that each stage spends on imports, by package, and on its own work.

The stages of one task run one after another in an empty folder, as in `dvc repro`, but with one
worker and Python's `-X importtime`. A package's seconds include those of the modules that it is
the first to import.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks import report
from benchmarks.stages import copy_params, run_stage_in
from pipeline.process.arguments import add_params
from pipeline.process.command import STAGES
from pipeline.process.messages import exit_with_message

COMMAND = "python -m benchmarks.startup"
# Runs a stage without suppressing stderr while TensorFlow is imported: the import log goes there.
WITH_IMPORT_LOG = """
import runpy
from contextlib import nullcontext
from pipeline.process import start
start._stderr_suppressed = nullcontext
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""
PACKAGES = ("tensorflow", "tensorflow_probability", "keras", "gymnasium", "matplotlib", "pydantic")
# import time:  self [µs] | cumulative [µs] | module, indented by two per module that imports it
IMPORTED = re.compile(r"^import time: +(\d+) \| +(\d+) \| ( *)(\S+)$", re.MULTILINE)


def seconds_of_imports(log: str) -> dict[str, float]:
    """Sum each module's own seconds, by the outermost package that imports it.

    Args:
        log: Python's output with `-X importtime`, which lists a module after its imports.

    Returns:
        Seconds of each of `PACKAGES`, and of the rest as `other`.
    """
    seconds = dict.fromkeys((*PACKAGES, "other"), 0.0)
    importing: list[str] = []  # modules being imported, outermost first
    for match in reversed(list(IMPORTED.finditer(log))):
        own, _, indentation, module = match.groups()
        depth = len(indentation) // 2
        importing[depth:] = [module.partition(".")[0]]
        owner = next((package for package in importing if package in PACKAGES), "other")
        seconds[owner] += int(own) / 1e6
    return seconds


def measure_startup(task: str, params: Path, stages: Sequence[str]) -> list[dict[str, Any]]:
    """Measure each stage; return rows of `stage`, `total` and `imports` by package, in seconds.

    Raises:
        UserError: If a stage fails.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        copy_params(params, Path(folder), num_workers=1)
        for stage in tqdm(stages, unit=" stages", disable=not sys.stderr.isatty()):
            begun = time.perf_counter()
            done = run_stage_in(
                Path(folder), stage, task, ["-X", "importtime", "-c", WITH_IMPORT_LOG]
            )
            total = time.perf_counter() - begun
            imports = seconds_of_imports(done.stderr)
            rows.append({"stage": stage, "total": total, "imports": imports})
    return rows


def print_startup(rows: Sequence[dict[str, Any]]) -> None:
    """Print the seconds of each stage's imports, its work, and the total."""
    lines = []
    for row in rows:
        imports = list(row["imports"].values())
        seconds = [*imports, row["total"] - sum(imports), row["total"]]
        lines.append([row["stage"], *(f"{value:.1f}" for value in seconds)])
    print(report.aligned_table(["stage, seconds", *rows[0]["imports"], "work", "total"], lines))


def main(arguments: list[str] | None = None) -> None:
    """Print a table; write the measurements if `--json` is given."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("task", nargs="?", default="cartpole", help="default: %(default)s")
    add_params(parser)
    parser.add_argument(
        "--stages", nargs="+", choices=list(STAGES), default=list(STAGES), help="default: all"
    )
    report.add_json(parser)
    options = parser.parse_args(arguments)
    with exit_with_message(COMMAND):
        rows = measure_startup(options.task, options.params, options.stages)
        print_startup(rows)
        report.write_measurements(options.json, COMMAND, rows)


if __name__ == "__main__":
    main()
