"""Files are written completely or not at all; errors in reading name the file."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.digests import weights_digest
from pipeline.task.artifacts import (
    atomic_write,
    copy_folder,
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_json,
    write_table,
)
from pipeline.task.errors import UserError

ARRAYS = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "names": np.array(["x", "yz"])}


def test_arrays_are_read_as_written_and_equal_arrays_give_equal_bytes(tmp_path):
    one, two = tmp_path / "deep" / "one.npz", tmp_path / "two.npz"
    write_arrays(one, ARRAYS)
    write_arrays(two, ARRAYS)
    received = read_arrays(one, ["names"])
    assert received.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(received[name], values)
        assert received[name].dtype == values.dtype
    assert one.read_bytes() == two.read_bytes()


def test_tables_are_read_as_written_with_float32_to_the_last_bit(tmp_path):
    table = {
        "run": np.array([0, 1]),
        "mode": np.array(["greedy", "sampled"]),
        "loss": np.array([1 / 3, -1e-30], dtype=np.float32),
    }
    write_table(tmp_path / "table.csv", table)
    received = read_table(tmp_path / "table.csv", ["run"])
    assert list(received) == list(table)
    assert received["run"].dtype == np.int64
    for name, values in table.items():
        np.testing.assert_array_equal(received[name].astype(values.dtype), values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"run\n",
        b"run,loss\n1\n",
        b"run,loss\n1,2\n3\n",
        b"other,loss\n1,2\n",
        b"\xff\xfe,\n1,2",
    ],
)
def test_a_damaged_table_is_named(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"table\.csv: expected a CSV table"):
        read_table(path, ["run", "loss"])


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-30], lambda b: b"PK" + b[5:]])
def test_damaged_arrays_are_named(tmp_path, damage):
    path = tmp_path / "arrays.npz"
    write_arrays(path, ARRAYS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"arrays\.npz: expected an \.npz file"):
        read_arrays(path)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "arrays.npz", pickled=np.array([object()]), allow_pickle=True)
    with pytest.raises(UserError, match=r"arrays\.npz: expected an \.npz file"):
        read_arrays(tmp_path / "arrays.npz")


@pytest.mark.parametrize("content", ["", "[1]", '{"other": 1}', '{"run": 1'])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "spec.json").write_text(content)
    with pytest.raises(UserError, match=r"spec\.json: expected a JSON object"):
        read_json(tmp_path / "spec.json", ["run"])


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "metrics.json", {"mean": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_arrays, "a.npz"),
        (lambda path: read_table(path, []), "a.csv"),
        (lambda path: read_json(path, []), "a.json"),
    ],
)
def test_a_missing_file_is_named(tmp_path, read, name):
    with pytest.raises(UserError, match=rf"{name}: no such file; run `dvc repro` to create it$"):
        read(tmp_path / name)


def test_a_failed_write_leaves_the_file_unchanged(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def fail():
        with atomic_write(path) as written:
            written.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, name in ((old, "gone"), (new, "there")):
        folder.mkdir()
        (folder / name).write_text(name)
    copy_folder(new, old)
    assert list(old.iterdir()) == [old / "there"]
    assert sorted(tmp_path.iterdir()) == [new, old]


def test_no_file_replaces_a_folder(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "name").write_text("text")
    with pytest.raises(IsADirectoryError) as raised:
        write_json(folder, {})
    assert raised.value.filename == str(folder)
    assert (folder / "name").read_text() == "text"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_cannot_be_replaced_is_still_there(error, tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "name").write_text(folder.name)

    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        copy_folder(new, old)
    assert (old / "name").read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [new, old]


def test_the_digest_tells_weights_apart_by_a_single_bit():
    weights = {"a": np.zeros((2, 3), np.float32), "b": np.ones((2, 1), np.float32)}
    assert weights_digest(weights, 0) == weights_digest(weights, 1)
    changed = weights | {"a": np.array([[0, 0, 0], [0, 0, -0.0]], np.float32)}
    assert weights_digest(changed, 0) == weights_digest(weights, 0)
    assert weights_digest(changed, 1) != weights_digest(weights, 1)
    renamed = {"c": weights["a"], "b": weights["b"]}
    assert weights_digest(renamed, 0) != weights_digest(weights, 0)
