"""The cache of compiled programs: what it trusts, and that results do not depend on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.process import xla_cache
from pipeline.process.xla_cache import add_programs, open_cache
from tests.pipeline.small_task import BANDIT, SEED, write_params

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    """Return the folder of a cache with two programs."""
    private = open_cache(tmp_path)
    (private / "a.pb").write_bytes(b"program a")
    (private / "b.pb").write_bytes(b"program b")
    add_programs(private)
    shutil.rmtree(private)
    return private.parent


def programs(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.pb")}


@pytest.mark.usefixtures("store")
def test_programs_are_kept(tmp_path):
    assert programs(open_cache(tmp_path)) == {"a.pb": b"program a", "b.pb": b"program b"}


def only(store, name):
    (path,) = store.glob(f"{name}.pb.*")
    return path


DAMAGES = {
    "cut": lambda store: os.truncate(only(store, "a"), 4),
    "empty": lambda store: only(store, "a").write_bytes(b""),
    "changed": lambda store: only(store, "a").write_bytes(b"program c"),
    "renamed": lambda store: only(store, "a").rename(
        store / only(store, "a").name.replace("a", "c", 1)
    ),
    "not sealed": lambda store: only(store, "a").rename(store / "a.pb"),
    "a folder": lambda store: (only(store, "a").unlink(), (store / "a.pb.0").mkdir()),
    "a broken link": lambda store: (only(store, "a").unlink(), (store / "a.pb.0").symlink_to("x")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_intact_is_deleted(damage, store, tmp_path):
    DAMAGES[damage](store)
    private = open_cache(tmp_path)
    assert programs(private) == {"b.pb": b"program b"}
    assert set(store.iterdir()) == {private, only(store, "b")}


def test_two_processes_may_add_the_same_program(store, tmp_path):
    first = open_cache(tmp_path)
    second = first.rename(store / f"process-{os.getppid()}")
    first = open_cache(tmp_path)
    for private, content in [(first, b"compiled"), (second, b"compiled, other bytes")]:
        (private / "c.pb").write_bytes(content)
        add_programs(private)
    assert len(list(store.glob("c.pb.*"))) == 2
    assert programs(open_cache(tmp_path))["c.pb"].startswith(b"compiled")
    assert len(list(store.glob("c.pb.*"))) == 1
    assert second.exists()  # of a process that has not ended


def test_folders_of_processes_that_were_killed_are_deleted(store, tmp_path):
    killed = store / f"process-{max(psutil.pids()) + 1_000_000}"
    killed.mkdir()
    open_cache(tmp_path)
    assert not killed.exists()


def test_the_oldest_programs_are_deleted_when_the_cache_is_full(store, tmp_path, monkeypatch):
    os.utime(only(store, "b"), (0, 0))
    private = open_cache(tmp_path)
    (private / "c.pb").write_bytes(b"program c")
    monkeypatch.setattr(xla_cache, "MAX_BYTES", 20)  # two programs
    add_programs(private)
    assert {path.name[:4] for path in store.glob("*.pb.*")} == {"a.pb", "c.pb"}


@pytest.mark.parametrize("facts", ["XLA_FLAGS", "processor"])
def test_other_processors_and_flags_have_their_own_programs(facts, store, tmp_path, monkeypatch):
    if facts == "XLA_FLAGS":
        monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    else:
        monkeypatch.setattr("platform.machine", lambda: "another")
    assert programs(open_cache(tmp_path)) == {}
    assert len(list(store.glob("*.pb.*"))) == 2


def test_a_full_disk_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(xla_cache, "MIN_FREE_BYTES", 10**18)
    with pytest.raises(OSError, match="No space left"):
        open_cache(tmp_path)


def test_an_experiment_in_dvcs_queue_uses_the_projects_cache(tmp_path, monkeypatch):
    folder = tmp_path / ".dvc" / "tmp" / "exps" / "copy"
    folder.mkdir(parents=True)
    for here in (folder, tmp_path):
        monkeypatch.chdir(here)
        assert xla_cache._project() == tmp_path


def run(stage, folder, cache, params="params.yaml"):
    """Run a stage in a folder, in a process of its own; return the task's files."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", stage, "task", "--params", params],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_CACHE": cache},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {path.name: path.read_bytes() for path in (folder / "data" / "task").glob("*.*")}


def test_results_do_not_depend_on_the_cache_and_values_share_a_program(tmp_path):
    task = BANDIT | {"env": {"id": "Bandit-v0"}}
    train = {"gamma": 0.9, "learning_rate": 0.25, "learning_rate_schedule": "linear"}
    train |= {"reward_scale": 2.0, "num_episodes": 16}
    changed = tmp_path / "changed.yaml"
    write_params(tmp_path, task=task | {"train": BANDIT["train"] | train}).rename(changed)
    changed.write_text(changed.read_text().replace(f"seed: {SEED}", f"seed: {SEED + 1}"))
    write_params(tmp_path, task=task)
    cache = tmp_path / "cache"
    run("rollout", tmp_path, "off")
    without = run("train", tmp_path, "off")
    assert not cache.exists()
    assert run("train", tmp_path, str(cache)) == without  # compiled and kept
    (program,) = cache.glob("*/*")  # nothing else is left
    before = program.stat()
    assert run("train", tmp_path, str(cache)) == without  # read
    run("rollout", tmp_path, "off", "changed.yaml")
    assert run("train", tmp_path, str(cache), "changed.yaml") != without
    assert list(cache.glob("*/*")) == [program]
    assert program.stat().st_mtime_ns == before.st_mtime_ns
