"""Signals are answered while the main thread is in one long call of C, as XLA's compiler is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.process.interruption import STOP_SIGNALS
from tests.pipeline.signals import hear_signals

REPOSITORY = Path(__file__).parents[3]
# A call that lets other threads run, and takes minutes.
COMPUTING = """
import hashlib, signal, sys
from pipeline.process.interruption import answering, interruptible
with answering(), interruptible([signal.Signals(int(number)) for number in sys.argv[1:]]):
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


def started(*arguments, folder=REPOSITORY):
    """Start Python; wait until it has printed a line."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_ctrl_c_ends_what_has_nothing_to_save():
    process = started("-c", COMPUTING)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130


@pytest.mark.parametrize("sent", STOP_SIGNALS)
def test_what_can_be_continued_says_that_it_has_heard_and_ends_when_pressed(sent):
    process = started("-c", COMPUTING, *(str(number.value) for number in STOP_SIGNALS))
    process.send_signal(sent)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("interrupted: saves how far it has come, then ends")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130


def test_ctrl_c_has_an_answer_while_modules_are_imported(tmp_path):
    slow = 'import time\nprint("begun", flush=True)\ntime.sleep(60)\n'
    (tmp_path / "pydantic.py").write_text(slow)
    process = started("-m", "pipeline", "check", folder=tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "interrupted\n")
    assert process.returncode == 130
