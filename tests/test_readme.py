"""What the README shows is true."""

import re
import subprocess
from pathlib import Path

import numpy as np
from gymnasium import spaces

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from models.savedmodel import save
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
    [for_serving] = re.findall(r"^    (mkdir .* serving/.*)$", README, re.MULTILINE)
    subprocess.run(for_serving, shell=True, check=True)
    base = re.findall(r"--model_base_path=\$PWD/(\S+)", README)[0]
    assert (tmp_path / base / "1" / "saved_model.pb").is_file()


def test_every_file_it_links_is_there():
    prose = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", prose)
    files = [link for link in links if not link.startswith("http")]
    assert len(files) > 30
    for file in files:
        assert (REPOSITORY / file).exists(), file


def test_architecture_links_files_that_are_there_and_define_what_it_names():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (REPOSITORY / "docs" / link).exists(), link
    rows = re.findall(
        r"^\| [^|]+ \| \[[^]]+\]\(\.\./([^)]+)\)[^|]* \| `([^|]+)` \|$", page, re.MULTILINE
    )
    assert len(rows) > 8
    for file, names in rows:
        for name in re.split(r"`, `|\.", names):
            assert re.search(rf"\b(def|class) {name}\b", (REPOSITORY / file).read_text()), name


def test_its_table_of_results_is_what_the_command_writes(monkeypatch, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(README)
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(report, "README", copy)
    report.main(["--readme"])
    assert copy.read_text() == README, "python -m pipeline report --readme brings it into step"


def test_its_figures_of_cartpole_are_those_of_the_measurements():
    page = (REPOSITORY / "docs" / "performance.md").read_text()
    [(solved, env_steps, seconds)] = re.findall(
        r"^\| `cartpole` \| 10 of (10) \| ([\d,]+) \| [\d,]+ \| ([\d.]+) \|", page, re.MULTILINE
    )
    rounded = f"{round(int(env_steps.replace(',', '')), -3):,}"
    said = (
        f"# CartPole-v1 in {rounded} env steps, {float(seconds):.1f} s of training: median of ten"
    )
    assert solved == "10"
    assert said in README


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (REPOSITORY / picture).is_file()
