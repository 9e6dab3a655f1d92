"""The benchmark of whole commands, with commands that do nothing; no time is asserted."""

import json
import subprocess
import sys
from contextlib import nullcontext

import pytest

from benchmarks import loop
from pipeline.task.errors import UserError

BUSY = "import time\nwhile time.process_time() < 0.2: pass"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
# Prints the learning rate and whether there were compiled programs, and makes some.
CACHING = """
import sys; from pathlib import Path
with open("../log", "a") as log: print(sys.argv[1], Path(".xla_cache").exists(), file=log)
Path(".xla_cache").mkdir(exist_ok=True)
assert Path("result").read_text() == "42"
"""


def test_cpu_time_includes_that_of_child_processes(tmp_path):
    seconds, cpu = loop.run_timed([sys.executable, "-c", PARENT], tmp_path, {})
    assert seconds >= 0.2
    assert cpu >= 0.19  # the system counts in hundredths


def test_a_command_that_fails_is_one_message(tmp_path):
    failing = [sys.executable, "-c", "print('first'); raise SystemExit('last')"]
    with pytest.raises(UserError, match=r"failed:\n(first\nlast|last\nfirst)$"):
        loop.run_timed(failing, tmp_path, {})


def test_first_runs_have_no_compiled_programs_and_each_has_its_own_rate(
    tmp_path, capsys, monkeypatch
):
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    (project / ".dvc").mkdir(parents=True)
    temporary.mkdir()
    (project / ".dvc" / "config").touch()
    stage = "{cmd: 'printf 42 > result', outs: [result]}"
    (project / "dvc.yaml").write_text(f"stages: {{make: {stage}}}")
    author = ["-c", "user.name=a", "-c", "user.email=b"]
    for git in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "Make"]):
        subprocess.run(["git", *git], cwd=project, check=True)
    (temporary / "caching.py").write_text(CACHING)
    monkeypatch.setattr(loop, "COMMANDS", {"plot": "python ../caching.py {rate}", "try": "-"})
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda: nullcontext(temporary))
    path = tmp_path / "measured.json"
    loop.main(["--repeat", "2", "--project", str(project), "--json", str(path)])
    assert (temporary / "log").read_text().splitlines() == [
        *("0.01001 False", "0.01002 True", "0.01003 False", "0.01004 True")
    ]
    [row] = json.loads(path.read_text())["rows"]
    assert [len(pair) for state in ("first", "warm") for pair in row[state]] == [2] * 4
    printed = capsys.readouterr()
    assert row["command"] in printed.out.splitlines()[2]
    assert "without try: expected a project with `python -m pipeline try`" in printed.err
    assert not (project / "result").exists()


def test_the_table_has_medians(capsys):
    times = {"first": [(9.0, 8.0), (1.0, 8.0), (5.0, 9.0)], "warm": [(2.0, 3.0)]}
    loop.print_loop([{"command": "mine"} | times])
    assert "| mine | 5.0 (8.0) | 2.0 (3.0) |" in " ".join(capsys.readouterr().out.split())


def test_an_unknown_command_or_a_missing_python_is_one_message(capsys):
    with pytest.raises(SystemExit, match="2"):
        loop.main(["sprint"])
    assert "expected some of train, experiment," in capsys.readouterr().err
    with pytest.raises(SystemExit, match="sb3: expected --sb3 PYTHON"):
        loop.main(["sb3"])
