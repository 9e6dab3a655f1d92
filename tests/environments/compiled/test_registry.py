"""The registry of compiled environments, and invalid registrations."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from environments.compiled import registry
from environments.compiled.cartpole import CompiledCartPole
from environments.compiled.registry import reason_not_compiled, register
from environments.make import make_compiled
from environments.specification import inspect_environment

ENTRY_POINT = "environments.compiled.cartpole:CompiledCartPole"


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    """Remove what a test registers."""
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))


class OtherActions(CompiledCartPole):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.action_space = spaces.Discrete(3)


class OtherObservations(CompiledCartPole):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.observation_space = spaces.Box(-1, 1, (4,))


class RepeatsBits:
    """A version of RepeatMultiDiscrete-v0, whose observations Gymnasium flattens."""

    def __init__(self, max_episode_steps):
        self.observation_space = spaces.Box(0, 1, (5,), np.int64)
        self.action_space = spaces.MultiDiscrete([2, 3])
        self.max_episode_steps = max_episode_steps


@pytest.mark.parametrize(
    ("env_id", "kwargs", "reason"),
    [
        ("CartPole-v1", {}, None),
        ("CartPole-v1", {"sutton_barto_reward": True}, None),
        ("environments:CartPole-v1", {}, None),
        ("Bandit-v0", {"probabilities": [0.5], "payouts": [2]}, None),
        ("Pendulum-v1", {"g": 9.81}, None),
        ("Acrobot-v1", {}, None),
        ("InvertedPendulum-v5", {"frame_skip": 4, "reset_noise_scale": 0.1}, None),
        ("MountainCar-v0", {"goal_velocity": 0.01}, None),
        ("MountainCarContinuous-v0", {"goal_velocity": 0.01}, None),
        ("CartPole-v0", {}, "no compiled CartPole-v0"),
        ("third_party:ThirdParty-v0", {}, "no compiled ThirdParty-v0"),
        (
            "CartPole-v1",
            {"sutton_barto_reward": True, "render_mode": None},
            "no compiled CartPole-v1 with the keyword argument render_mode",
        ),
    ],
)
def test_reasons_why_an_environment_is_not_compiled(env_id, kwargs, reason):
    assert reason_not_compiled(env_id, kwargs) == reason


def test_a_query_does_not_import_tensorflow():
    program = (
        "import sys; from environments.compiled.registry import reason_not_compiled; "
        "assert reason_not_compiled('CartPole-v1', {}) is None; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_keyword_arguments_and_the_time_limit_are_passed():
    kwargs = {"sutton_barto_reward": True}
    environment: Any = make_compiled(
        inspect_environment("CartPole-v1", kwargs, max_episode_steps=77)
    )
    assert isinstance(environment, CompiledCartPole)
    assert environment.sutton_barto_reward
    assert environment.max_episode_steps == 77


def test_an_environment_without_a_compiled_version_is_refused():
    with pytest.raises(ValueError, match="a compiled version. Received: no compiled FrozenLake-v1"):
        make_compiled(inspect_environment("FrozenLake-v1", {}))
    with pytest.raises(
        ValueError, match="no compiled Pendulum-v1 with the keyword argument render_mode"
    ):
        make_compiled(inspect_environment("Pendulum-v1", {"render_mode": None}))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OtherActions", r"CartPole-v0 to have .* `action_space`: Discrete\(2\). .*Discrete\(3\)"),
        ("OtherObservations", r"CartPole-v0 to have .* `observation_space`, flattened: .*4\.8"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date:DeprecationWarning")
def test_spaces_must_match_gymnasiums(name, message):
    register("CartPole-v0", f"{__name__}:{name}")
    with pytest.raises(ValueError, match=message):
        make_compiled(inspect_environment("CartPole-v0", {}))


def test_the_observation_space_is_gymnasiums_flattened():
    register("RepeatMultiDiscrete-v0", f"{__name__}:RepeatsBits")
    env_id = "tests.environments.made_up:RepeatMultiDiscrete-v0"
    environment: Any = make_compiled(inspect_environment(env_id, {}))
    assert isinstance(environment, RepeatsBits)


@pytest.mark.parametrize("entry_point", ["CompiledCartPole", "a:b:c", ":Class", "module:", ""])
def test_an_entry_point_names_module_and_class(entry_point):
    with pytest.raises(ValueError, match="`entry_point`, expected `module:Class`. Received"):
        register("Mine-v0", entry_point)


def test_an_id_is_registered_without_its_module():
    with pytest.raises(ValueError, match="without a module. Received: env_id='mine:Mine-v0'"):
        register("mine:Mine-v0", ENTRY_POINT)


def test_an_id_has_one_compiled_version():
    register("Mine-v0", ENTRY_POINT)
    register("Mine-v0", ENTRY_POINT)  # a module may be imported under two names
    with pytest.raises(ValueError, match="A compiled Mine-v0 is already registered: .*Received"):
        register("Mine-v0", "mine:Mine")
