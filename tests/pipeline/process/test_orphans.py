"""Stages end together with the `dvc` that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.runs.test_workers import is_running

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")

STAGE = """
import os, pathlib, sys, time
from pipeline.process.orphans import end_with_dvc
end_with_dvc()
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""
# A stand-in for dvc. It starts the stage as a child of a shell that does not exec it.
DVC = """
import os, subprocess, sys
os.environ.update(argument.split("=") for argument in sys.argv[3:])
subprocess.run(["/bin/sh", "-c", '"$0" -c "$1" "$2"; true', sys.executable, *sys.argv[1:3]])
"""


@pytest.mark.parametrize(("variables", "ends"), [(["DVC_STAGE=train@task"], True), ([], False)])
def test_a_stage_ends_when_dvc_is_killed_and_its_shell_is_not(variables, ends, tmp_path):
    pid_file = tmp_path / "stage"
    dvc = subprocess.Popen(
        [sys.executable, "-c", DVC, STAGE, str(pid_file), *variables],
        cwd=Path(__file__).parents[3],
        env={name: value for name, value in os.environ.items() if name != "DVC_STAGE"},
    )
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stage = pid_file.read_text()
    time.sleep(0.3)
    assert is_running(stage)
    dvc.kill()
    dvc.wait()
    until = time.monotonic() + (10 if ends else 1.5)
    while is_running(stage) and time.monotonic() < until:
        time.sleep(0.02)
    try:
        assert is_running(stage) != ends
    finally:
        if not ends:
            os.kill(int(stage), signal.SIGTERM)
