"""Responding to signals while the main thread is in one long C call, such as XLA's compiler."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.process.interruption import STOP_SIGNALS
from tests.pipeline.signals import restore_stop_signals

REPOSITORY = Path(__file__).parents[3]
# A call that takes minutes and lets other threads run.
COMPUTING = """
import hashlib, signal, sys
from pipeline.process.interruption import interruptible, respond_to_signals
with respond_to_signals(), interruptible([signal.Signals(int(number)) for number in sys.argv[1:]]):
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


def start(*arguments, folder=REPOSITORY):
    """Start Python and wait until it has printed a line."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_stop_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_ctrl_c_stops_at_once_when_there_is_nothing_to_save():
    process = start("-c", COMPUTING)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130


@pytest.mark.parametrize("sent", STOP_SIGNALS)
def test_resumable_work_acknowledges_a_signal_and_stops_at_once_on_ctrl_c(sent):
    process = start("-c", COMPUTING, *(str(number.value) for number in STOP_SIGNALS))
    process.send_signal(sent)
    assert process.stderr is not None
    assert process.stderr.readline() == (
        "interrupted: stopping as soon as progress is saved; press Ctrl-C again to stop now\n"
    )
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130


def test_ctrl_c_has_an_answer_while_modules_are_imported(tmp_path):
    slow = 'import time\nprint("begun", flush=True)\ntime.sleep(60)\n'
    (tmp_path / "pydantic.py").write_text(slow)
    process = start("-m", "pipeline", "check", folder=tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130
