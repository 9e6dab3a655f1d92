"""Messages of `make` before the set-up and after `dvc repro`; neither is run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def run(*command, cwd):
    """Run a command, hiding git repositories above the folder."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(cwd.parent)}
    return subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True
    )


def commit_all(folder):
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init"], ["add", "--all"], [*author, "commit", "--message", "Begin"]):
        assert run("git", *command, cwd=folder).returncode == 0


def test_an_archive_is_refused_before_anything_is_installed(tmp_path):
    shutil.copytree(REPOSITORY / "tools", tmp_path / "tools")
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    result = run("make", "PYTHON=/nowhere", "repro", cwd=tmp_path)
    assert result.returncode != 0
    [message, _] = result.stderr.splitlines()  # the other is make's own
    assert message.startswith(f"setup: {tmp_path}: expected a git repository, which DVC needs,")
    assert "git init && git add -A && git commit -m 'Begin'" in message
    assert not (tmp_path / ".venv").exists()

    commit_all(tmp_path)  # as the message says; the next problem is reported
    result = run("make", "PYTHON=/nowhere", "repro", cwd=tmp_path)
    assert "git repository" not in result.stderr
    assert "/nowhere" in result.stderr


@pytest.mark.parametrize("changed", ["dvc.lock", "data/maze/metrics.json", None])
def test_repro_says_why_git_status_is_not_clean(tmp_path, changed):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in (".venv/bin/python", ".venv/bin/dvc", "dvc.lock", "data/maze/metrics.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / ".venv/bin/python").chmod(0o755)
    (tmp_path / ".venv/bin/dvc").chmod(0o755)
    commit_all(tmp_path)
    if changed is not None:
        (tmp_path / ".venv/bin/dvc").write_text(f"#!/bin/sh\necho other >{changed}\n")
    result = run("make", "--old-file=setup", "repro", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    way_out = "git restore dvc.lock data"
    assert (way_out in result.stdout) == (changed is not None)
    run(*way_out.split(), cwd=tmp_path)
    status = run("git", "status", "--porcelain", "dvc.lock", "data", cwd=tmp_path)
    assert status.stdout == ""
