"""The benchmark runs and says what it found; how fast is not for a test to say."""

import json

from benchmarks.time_to_solve import main


def test_it_counts_until_a_run_is_given_up(tmp_path, capsys):
    path = tmp_path / "measured.json"
    main(["--runs", "1", "--max-env-steps", "300", "--json", str(path)])
    (run,) = json.loads(path.read_text())["runs"]
    assert not run["solved"]
    assert 300 <= run["env_steps"] < 2000
    assert run["episodes"] % 8 == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("not solved")
    assert lines[-1].startswith("solved 0 of 1; median")
