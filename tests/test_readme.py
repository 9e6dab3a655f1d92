"""What the README shows is true."""

import re
from pathlib import Path

import numpy as np
from gymnasium import spaces

from models.heads import make_head
from models.network import make_policy_network
from models.policy import Policy
from models.servable import save
from pipeline import report

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def test_the_example_of_the_exported_policy_runs(tmp_path, monkeypatch, capsys):
    head = make_head(spaces.Discrete(2))
    network = make_policy_network(4, [8], "tanh", head, np.random.SeedSequence(0))
    save(Policy(network, head, 4), tmp_path / "data" / "cartpole" / "policy")
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "probability_0" in printed
    assert "log_prob" in printed


def test_every_file_it_names_is_there():
    tree = README.partition("## What is where")[2].partition("##")[0]
    folder = REPOSITORY
    for line in tree.splitlines():
        if match := re.match(r"( {4,6})([a-z][^ ]*(?:, [a-zA-Z][^ ]*)*)  ", line):
            indent, names = match.groups()
            for name in names.split(", "):
                if "<" not in name:
                    place = (folder if len(indent) == 6 else REPOSITORY) / name
                    assert place.exists(), name
                    if name.endswith("/") and len(indent) == 4:
                        folder = place


def test_its_table_of_results_is_what_the_command_writes(monkeypatch, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(README)
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(report, "README", copy)
    report.main(["--readme"])
    assert copy.read_text() == README, "python -m pipeline.report --readme brings it into step"


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (REPOSITORY / picture).is_file()
