"""Waiting for a lock while its holder ends."""

import os
import threading

import pytest

from pipeline.runs import lock
from pipeline.runs.lock import locked
from pipeline.task.errors import UserError


def test_a_holder_that_ends_is_waited_for(tmp_path, capsys):
    path = tmp_path / "lock"
    held, end = threading.Event(), threading.Event()

    def hold():
        with locked(path):
            held.set()
            end.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    threading.Timer(0.5, end.set).start()
    with locked(path):
        assert end.is_set()
        text = capsys.readouterr().err
    holder.join()
    assert text.startswith(f"{path}: held by process {os.getpid()}, which has been training since ")
    assert text.endswith("; waiting up to 10 s for it to end\n")
    assert not path.exists()


def test_a_holder_that_keeps_the_lock_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.05)
    with (
        locked(tmp_path / "lock"),
        pytest.raises(UserError, match=rf"lock: held by process {os.getpid()}, .*; wait until it"),
        locked(tmp_path / "lock"),
    ):
        pass
