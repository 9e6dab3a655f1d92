"""Mutations of params.yaml, which must be valid or give one clear message per mistake."""

import copy
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.check import main

pytestmark = pytest.mark.slow

COMMITTED = (Path(__file__).parents[2] / "params.yaml").read_text()
NUM_MUTATIONS = 250  # in each of the two tests

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**33)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["CartPole-v1", "os:x", "a:b:c", "${seed}", "1e-5", "tanh", "value", "auto"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(data, path=()):
    """Yield all paths into nested data, including the empty path to the whole."""
    yield path
    items = data.items() if isinstance(data, dict) else ()
    for key, value in enumerate(data) if isinstance(data, list) else items:
        yield from paths(value, (*path, key))


def assert_valid_or_refused(path, capsys):
    """Check a file by the command; require lines that name the file, and no traceback."""
    try:
        main(["--params", str(path)])
        status = 0
    except SystemExit as end:
        print(end.code, file=sys.stderr)
        status = 1
    captured = capsys.readouterr()
    if status == 0:
        assert captured.out.splitlines()[0].endswith("no mistakes")
    else:
        assert status == 1
        assert captured.out == ""
        lines = captured.err.rstrip("\n").split("\n")
        assert lines != [""]
        for line in lines:
            assert line.startswith(f"{path}: "), line
            assert "Traceback" not in line


LIMITS = settings(
    max_examples=NUM_MUTATIONS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@LIMITS
@given(data=st.data())
def test_a_changed_a_missing_or_a_new_value(data, tmp_path_factory, capsys):
    mutated = YAML(typ="safe").load(COMMITTED)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(paths(mutated))))
        if not path:
            continue
        *parents, last = path
        section = mutated
        for key in parents:
            section = section[key]
        match data.draw(st.sampled_from(["change", "remove", "add", "swap"])):
            case "change":
                section[last] = data.draw(values)
            case "remove":
                del section[last]
            case "add" if isinstance(section, dict):
                section[data.draw(st.text(max_size=8))] = data.draw(values)
            case "swap":
                others = [other for other in paths(mutated) if other]
                source = mutated
                for key in data.draw(st.sampled_from(others)):
                    source = source[key]
                section[last] = copy.deepcopy(source)
    path = tmp_path_factory.mktemp("mutation") / "params.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(mutated, file)
    assert_valid_or_refused(path, capsys)


@LIMITS
@given(data=st.data())
def test_changed_bytes(data, tmp_path_factory, capsys):
    content = bytearray(COMMITTED.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 12))
        content[at : at + length] = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b"\t", b"- ", b": ", b"{", b"&a ", b"*a", b"!"])
        )
    path = tmp_path_factory.mktemp("mutation") / "params.yaml"
    path.write_bytes(content)
    assert_valid_or_refused(path, capsys)
