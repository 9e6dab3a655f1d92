"""A full disk at each write: one clear message, intact old files and no temporary ones."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.rollout import rollout
from pipeline.task.task import load_task
from pipeline.train import train
from tests.pipeline.resuming import REPOSITORY
from tests.pipeline.small_task import BANDIT, write_params

pytestmark = pytest.mark.slow


def fail_at(monkeypatch, number):
    """Make the `number`-th fsync or rename fail as on a full disk."""
    calls = []

    def failing(function):
        def call(*arguments, **keywords):
            calls.append(function)
            if len(calls) == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **keywords)

        return call

    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    monkeypatch.setattr(Path, "rename", failing(Path.rename))
    return calls


def fails(task):
    """Return whether training fails for lack of disk space, naming no temporary file."""
    try:
        train(task)
        return False
    except OSError as error:
        return error.errno == errno.ENOSPC and not Path(error.filename).name.startswith(".")


def fill(path):
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def contents(folder):
    """Return the files of a folder, except tensorboard/, which grows while training runs."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if "tensorboard" not in path.parts}


def test_each_write_of_a_training_may_fail(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = BANDIT | {"train": BANDIT["train"] | {"num_episodes": 12}}  # 3 updates
    task = load_task(write_params(tmp_path, task=params), "task")._replace(checkpoint_seconds=0)
    rollout(task)
    train(task)
    expected = contents(tmp_path / "data")
    number = 0
    while True:
        number += 1
        shutil.rmtree("checkpoints", ignore_errors=True)  # start from the beginning each time
        with monkeypatch.context() as attack:
            calls = fail_at(attack, number)
            if not fails(task):
                assert len(calls) < number
                break
        left = contents(tmp_path / "data")
        # The same parameters give the same bytes, so each file is intact, replaced or not.
        assert left == {path: expected[path] for path in left}
        assert len(left) == 5
        assert not [path for path in tmp_path.rglob(".*") if path.is_dir()]
    assert contents(tmp_path / "data") == expected
    assert number > 20


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")
def test_a_full_disk_is_reported_in_one_line(tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(full)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("may not mount")
    try:
        write_params(full, task=BANDIT)
        for stage in ("rollout", "train", "variance", "evaluate", "plot"):
            before = contents(full)
            fill(full / "filler")
            result = run_stage(stage, full)
            (full / "filler").unlink()
            assert result.returncode == 1, (stage, result)
            assert "No space left on device" in result.stderr.strip().splitlines()[-1], stage
            assert "Traceback" not in result.stderr, (stage, result.stderr)
            assert contents(full / "data") == {p: v for p, v in before.items() if "data" in p.parts}
            assert run_stage(stage, full).returncode == 0, stage
    finally:
        subprocess.run(["umount", "-l", str(full)], check=True)


def run_stage(stage, folder):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", stage, "task"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
