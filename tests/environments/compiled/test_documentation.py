"""The code and tables in docs/environments.md."""

import ast
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from ruamel.yaml import YAML

import environments
import environments.compiled
from environments.compiled import registry
from environments.faults import EnvironmentFault
from environments.make import make_compiled
from environments.specification import inspect_environment
from tests.environments.compiled.references import IDS

PAGE = (Path(__file__).parents[3] / "docs" / "environments.md").read_text()
FILES = dict(re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
MODULE = "environments.point_mass"
COMPILED = "environments.compiled.point_mass"
TEST = "tests/environments/compiled/test_point_mass.py"


@pytest.fixture
def _files(tmp_path, monkeypatch):
    """Add the page's files to the project, and remove them afterwards."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for package in (environments, environments.compiled):
        folder = tmp_path / package.__name__.replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    importlib.invalidate_caches()
    yield
    gymnasium.registry.pop("PointMass-v0", None)
    for name in (MODULE, COMPILED):
        sys.modules.pop(name, None)


def run_the_test_shown():
    """Run the test that the page shows."""
    names: dict[str, Any] = {}
    exec(compile(FILES[TEST], TEST, "exec"), names)
    names["test_compiled_matches_gymnasium"]()


def test_all_code_is_in_named_files():
    assert len(FILES) == PAGE.count("```python") == 4


def test_all_functions_are_annotated():
    for text in FILES.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is not None, node.name
                annotated = [
                    a.annotation is not None
                    for a in ast.walk(node.args)
                    if isinstance(a, ast.arg) and a.arg != "self"
                ]
                assert all(annotated), node.name


class MiniGrid(gymnasium.Env[Any, Any]):
    """An environment with MiniGrid's observation space."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (7, 7, 3), np.uint8),
        direction=spaces.Discrete(4),
        mission=gymnasium.Space(dtype=str),
    )
    action_space = spaces.Discrete(7)

    def __init__(self, agent_view_size=7):
        pass


def test_a_wrapper_leaves_out_text(tmp_path, monkeypatch):
    (tmp_path / "grid.py").write_text(FILES["grid.py"])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "minigrid", ModuleType("minigrid"))
    gymnasium.register("MiniGrid-Empty-8x8-v0", lambda **kwargs: MiniGrid(**kwargs))
    with pytest.raises(EnvironmentFault, match="whose part mission is text; to convert"):
        inspect_environment("MiniGrid-Empty-8x8-v0", {}, 256)
    specification = inspect_environment("grid:Grid-v0", {"agent_view_size": 7})
    assert specification.observation_size == 7 * 7 * 3 + 4
    assert specification.max_episode_steps == 256


@pytest.mark.usefixtures("_files")
def test_the_example_matches_gymnasium_with_the_parameters_shown():
    [section] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    env = YAML(typ="safe").load(section)["env"]
    specification = inspect_environment(env["id"], env["kwargs"])
    assert registry.reason_not_compiled(env["id"], env["kwargs"]) is None
    environment: Any = make_compiled(specification)
    assert environment.friction == 0.2
    run_the_test_shown()


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("0.1 * velocity", "0.1 * state.velocity", "next_observation"),
        ("seed, -1.0, 1.0)", "seed, -1.1, 1.0)", "Initial state.position"),
    ],
)
def test_the_test_shown_catches_mistakes(tmp_path, right, wrong, message):
    module = tmp_path / "environments/compiled/point_mass.py"
    assert right in module.read_text()
    module.write_text(module.read_text().replace(right, wrong))
    with pytest.raises(AssertionError, match=message):
        run_the_test_shown()


def test_every_file_named_exists():
    names = set(re.findall(r"`((?:pipeline|tests)/[\w/]+\.py)`", PAGE)) - set(FILES)
    assert names
    for name in names:
        assert (Path(__file__).parents[3] / name).is_file(), name


def test_the_table_lists_all_compiled_environments():
    rows = re.findall(r"^\| `(\w+-v\d)` \|(.*)\|$", PAGE, re.MULTILINE)
    listed = {name: sorted(re.findall(r"`(\w+)`", kwargs)) for name, kwargs in rows}
    assert listed == {name: sorted(registry._registry[name].kwargs) for name in IDS}
