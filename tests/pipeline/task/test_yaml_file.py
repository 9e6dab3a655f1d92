"""Reading YAML: which values are numbers, and the message for each kind of broken file."""

import pytest

from pipeline.task.errors import UserError
from pipeline.task.yaml_file import read_yaml


def message(path):
    with pytest.raises(UserError) as error:
        read_yaml(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-05", 0.00001),  # as DVC writes -S x=0.00001; PyYAML reads text
        ("1E3", 1000.0),
        ("-2", -2),
        ("010", 10),  # decimal, but octal in YAML 1.1
        (".inf", float("inf")),
        ("no", "no"),  # text, but false in YAML 1.1
        ("false", False),
        ("null", None),
        ("'1'", "1"),
        ("{a: [1, b]}", {"a": [1, "b"]}),
    ],
)
def test_values_are_those_of_yaml_1_2(tmp_path, written, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"x: {written}\n")
    read = read_yaml(path)["x"]
    assert read == value
    assert type(read) is type(value)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes("\ufeffx: 1\r\ny: é\r\n".encode())
    assert read_yaml(path) == {"x": 1, "y": "é"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected YAML, received an empty file"),
        (b"# nothing yet\n", "expected YAML, received an empty file"),
        (b"x: 1\ny: \xe9\n", "line 2: expected UTF-8 text, received the byte 0xe9"),
        (
            b"x: 1\ny: \x00\n",
            r"line 2: expected text, received '\x00', which YAML does not allow",
        ),
        (
            b"x: [1\ny: 2\n",
            "line 2: not valid YAML: while parsing a flow sequence, expected ',' or ']', but got "
            "':'",
        ),
        (
            b"x:\n\ty: 1\n",
            "line 2: not valid YAML: while scanning for the next token, found character '\\t' that "
            "cannot start any token; indent with spaces",
        ),
        (
            b"x: 1\n---\ny: 2\n",
            "line 2: not valid YAML: expected a single document in the stream, but found another "
            "document",
        ),
        (
            b"x: 1\ny: 2\nx: 3\n",
            'line 3: expected each key once per section, received key "x" again',
        ),
        (b"x: !!set {a}\n", "line 1: expected a value without a tag, received the tag !!set"),
        (b"x: !mine 3\n", "line 1: expected a value without a tag, received the tag !mine"),
        (b"x: {1: 2}\n", "x: expected a text key, received 1"),
        (b"x: [{}, {true: 2}]\n", "x[1]: expected a text key, received true"),
        (b"x: 2026-99-01\n", "expected YAML, received an invalid value: month must be in 1..12"),
        (
            b"x: " + 5000 * b"9",  # Python reads at most 4300 digits
            "expected YAML, received an invalid value: Exceeds the limit (4300 digits) for "
            "integer string conversion",
        ),
        (
            b"x: " + 600 * b"[" + 600 * b"]",
            "expected YAML, received lists nested too deeply",
        ),
    ],
)
def test_a_broken_file_gives_one_line(tmp_path, content, expected):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert message(path) == f"{path}: {expected}"


@pytest.mark.parametrize("use", ["y: *shared", "y: {<<: *shared}", "y: [*shared]"])
def test_aliases_are_refused(tmp_path, use):
    path = tmp_path / "params.yaml"
    path.write_text(f"x: &shared {{a: 1}}\n{use}\n")
    assert message(path) == (
        f"{path}: line 2: expected the values written out, received the alias *shared; "
        "`dvc exp run -S` would change both the alias and the original"
    )


def test_an_alias_of_itself_is_refused_before_it_is_followed(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("x: &shared [*shared]\n")
    assert "line 1: expected the values written out" in message(path)


def test_all_refused_keys_are_reported_at_once(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("x: {1: 2, ~: 3}\n")
    assert message(path).splitlines() == [
        f"{path}: x: expected a text key, received 1",
        f"{path}: x: expected a text key, received null",
    ]


def test_a_missing_file(tmp_path):
    path = tmp_path / "params.yaml"
    assert message(path) == f"{path}: no such file"


def test_a_directory(tmp_path):
    assert message(tmp_path) == f"{tmp_path}: expected a YAML file, received a directory"


def test_a_path_through_a_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("x: 1\n")
    below = path / "params.yaml"
    assert message(below) == f"{below}: expected a readable file, received: Not a directory"
