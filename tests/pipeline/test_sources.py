"""The records of code and of environments, which are dependencies of the DVC stages."""

import copy
import json
import sys
from pathlib import Path

import gymnasium
import mujoco
import pytest

from pipeline.process.command import STAGES
from pipeline.runs import imports
from pipeline.runs.imports import code_digests
from pipeline.sources import environment_sources, main
from pipeline.task.schema import EnvParams
from tests.pipeline.small_task import BANDIT, write_params

MODULE = """
import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

from my_helper import REWARD
import their_package.parts
import their_library

gymnasium.register("MyEnv-v0", f"{__name__}:MyEnv", max_episode_steps=2)


class MyEnv(gymnasium.Env):
    observation_space, action_space = spaces.Box(-1, 1, (1,)), spaces.Discrete(2)

    def __init__(self, prices=None):
        self.table = np.loadtxt("tables/table.csv")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        open("log.txt", "w").close()
        open("log.txt").close()
        return np.zeros(1, np.float32), {}

    def step(self, action):
        open("steps.txt").close()
        return np.zeros(1, np.float32), REWARD, False, False, {}
"""
FILES = {
    "my_env.py": MODULE,
    "my_helper.py": "REWARD = 1.0",
    "tables/table.csv": "1 2",
    "steps.txt": "",
    "prices.csv": "3",
    "unused.py": "",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a project with an environment, and next to it a package and an installed library."""
    for name, text in FILES.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "__init__.py").touch()
    (tmp_path / "their_package" / "parts.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('Theirs-v0', 'environments.bandit:Bandit', max_episode_steps=1)\n"
    )
    (tmp_path / "their_library.py").touch()
    (tmp_path / "their_library-1.2.dist-info").mkdir()
    (tmp_path / "their_library-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-library\nVersion: 1.2\n"
    )
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "project")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_files_that_the_environment_imports_opens_or_receives():
    sources = environment_sources(EnvParams(id="my_env:MyEnv-v0", kwargs={"prices": "prices.csv"}))
    assert set(sources) == set(FILES) - {"unused.py"} | {"version of their_library"}
    assert sources["version of their_library"] == "1.2"
    Path("my_helper.py").write_text("REWARD = 2.0  # more")
    changed = environment_sources(EnvParams(id="my_env:MyEnv-v0", kwargs={"prices": "prices.csv"}))
    assert {name for name in sources if sources[name] != changed[name]} == {"my_helper.py"}
    assert "my_env" not in sys.modules


def test_modules_of_a_package_that_is_not_installed(project):
    env = EnvParams(id="their_package.parts:Theirs-v0")
    sources = environment_sources(env)
    assert set(sources) == {"their_package", "their_package.parts"}
    with (project / "their_package" / "parts.py").open("a") as file:
        file.write("\n# changed\n")
    assert environment_sources(env) != sources


def test_the_version_of_an_installed_package():
    version = {"version of gymnasium": gymnasium.__version__}
    assert environment_sources(EnvParams(id="CartPole-v1")) == version
    version["version of mujoco"] = mujoco.__version__
    assert environment_sources(EnvParams(id="Hopper-v5")) == version


@pytest.mark.usefixtures("project")
def test_the_compiled_version_of_an_environment(monkeypatch):
    monkeypatch.setattr(imports, "ROOT", Path.cwd())
    with Path("my_env.py").open("a") as file:
        file.write(
            "\nfrom environments.compiled.registry import register\n"
            "register('MyEnv-v0', 'my_compiled:Compiled')\n"
        )
    Path("my_compiled.py").write_text("import my_network\n")
    Path("my_network.py").write_text("SIZE = 3\n")
    sources = environment_sources(EnvParams(id="my_env:MyEnv-v0"))
    assert {"my_env.py", "my_compiled.py", "my_network.py"} <= set(sources)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("raise ValueError", {"my_helper.py", "my_env.py"}),
        ("import os; os._exit(7)", set()),
        ("import os; os.kill(os.getpid(), 9)", set()),
    ],
)
def test_an_environment_that_cannot_be_made_is_left_to_the_stages(line, names):
    with Path("my_env.py").open("a") as file:
        file.write(f"\n{line}\n")
    sources = environment_sources(EnvParams(id="my_env:MyEnv-v0"))
    assert set(sources) & set(FILES) == names


@pytest.mark.usefixtures("project")
def test_a_file_for_each_task_and_stage():
    Path("sources").mkdir()
    Path("sources/removed.json").touch()
    write_params(Path.cwd(), one=BANDIT, two=copy.deepcopy(BANDIT) | {"env": {"id": "Nowhere-v0"}})
    main([])
    written = {path.name: json.loads(path.read_text()) for path in Path("sources").glob("*.json")}
    assert written == {"one.json": {}, "two.json": {}}
    for name in (*STAGES, "report"):
        assert json.loads(Path(f"sources/code/{name}.json").read_text()) == code_digests(name)
    assert len(list(Path("sources/code").iterdir())) == len(STAGES) + 1
