"""MuJoCo's environments, stepped without Gymnasium, are Gymnasium's bit for bit."""

import functools
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.wrappers import TransformReward

from environments.faults import CopyFault
from environments.specification import inspect_environment
from environments.vector.make import make_environments
from environments.vector.mujoco import MujocoEnvironments
from environments.vector.mujoco_rules import RULES, _scalar_squares, find_rule
from environments.vector.serial import SerialEnvironments
from reinforce.sampling.gymnasium import sample_episodes
from tests.reinforce.actors import FunctionActor

NUM_COPIES = 4
# Episodes with random actions, and a time limit with which some are truncated.
TIME_LIMITS = {
    "Ant-v5": 40,
    "HalfCheetah-v5": 20,
    "Hopper-v5": 20,
    "Humanoid-v5": 20,
    "InvertedDoublePendulum-v5": 6,
    "InvertedPendulum-v5": 6,
    "Reacher-v5": 20,
    "Swimmer-v5": 20,
    "Walker2d-v5": 20,
}
NEVER_TERMINATE = {"HalfCheetah-v5", "Reacher-v5", "Swimmer-v5"}


def make_native(env_id, **kwargs):
    specification = inspect_environment(env_id, kwargs, TIME_LIMITS[env_id])
    environments = make_environments(specification, NUM_COPIES)
    assert type(environments) is MujocoEnvironments
    return environments


def make_serial(env_id, **kwargs):
    kwargs["max_episode_steps"] = TIME_LIMITS[env_id]
    return SerialEnvironments([gymnasium.make(env_id, **kwargs) for _ in range(NUM_COPIES)])


def play(environments, env_id, num_steps):
    """Step random copies by random actions, also beyond their bounds.

    Returns:
        The observations of all copies after each step, the rewards, terminated and truncated.
    """
    generator = np.random.default_rng(0)
    space: Any = gymnasium.make(env_id).action_space
    environments.reset(seed=5)
    observations, outcomes = [environments.observations.copy()], []
    for number in range(num_steps):
        size = generator.integers(NUM_COPIES + 1) if number else 0  # the first time none steps
        copies = np.sort(generator.permutation(NUM_COPIES)[:size])
        actions = 1.2 * generator.uniform(space.low, space.high, (size, *space.shape))
        actions = actions.astype(np.float32)
        if number % 2:  # columns are contiguous, which may change a sum of a row
            actions = np.asfortranarray(actions)
        outcome = environments.step(copies, actions)
        assert outcome.rewards.dtype == np.float32
        observations.append(environments.observations.copy())
        outcomes.append(outcome)
        assert not environments.begin(copies[outcome.terminated | outcome.truncated]).size
        observations.append(environments.observations.copy())
    return [np.stack(observations), *map(np.concatenate, zip(*outcomes, strict=True))]


def record_rewards(environments):
    """Collect the rewards of a rule before they are rounded to float32."""
    rewards, transition = [], environments._rule.transition

    def record(*arguments):
        returned = transition(*arguments)
        rewards.extend(returned.rewards)
        return returned

    environments._rule = environments._rule._replace(transition=record)
    return rewards


def record_expected_rewards(environments):
    """Collect the rewards that Gymnasium returns."""
    rewards = []

    def record(reward):
        rewards.append(reward)
        return reward

    environments._copies = [TransformReward(copy, record) for copy in environments._copies]
    return rewards


def are_equal(a, b):
    return all(map(np.array_equal, a, b))


@pytest.mark.parametrize("env_id", TIME_LIMITS)
def test_steps_and_resets_are_gymnasiums(env_id):
    native, serial = make_native(env_id), make_serial(env_id)
    rewards, expected = record_rewards(native), record_expected_rewards(serial)
    received = play(native, env_id, 200)
    assert are_equal(received, play(serial, env_id, 200))
    assert rewards == expected
    _, _, terminated, truncated = received
    assert truncated.any()
    assert terminated.any() == (env_id not in NEVER_TERMINATE)


def test_every_rule_is_tested():
    assert {gymnasium.spec(env_id).entry_point for env_id in TIME_LIMITS} == set(RULES)


RUNNING: dict[str, Any] = {
    "forward_reward_weight": 2.0,
    "ctrl_cost_weight": 0.3,
    "frame_skip": 2,
    "reset_noise_scale": 0.02,
    "exclude_current_positions_from_observation": False,
}
WALKING = RUNNING | {
    "healthy_reward": 0.3,
    "terminate_when_unhealthy": False,
    "healthy_z_range": [1.2, 1.3],
    "healthy_angle_range": [-0.01, 0.02],
}
KWARGS: dict[str, dict[str, Any]] = {
    "HalfCheetah-v5": RUNNING,
    "Swimmer-v5": RUNNING,
    "Hopper-v5": WALKING | {"healthy_state_range": [-0.5, 0.5]},
    "Walker2d-v5": WALKING | {"xml_file": "walker2d.xml"},
    "Ant-v5": RUNNING
    | {
        "contact_cost_weight": 0.1,
        "healthy_reward": 0.3,
        "main_body": 3,
        "terminate_when_unhealthy": False,
        "healthy_z_range": [0.7, 0.8],
        "contact_force_range": [-0.5, 0.5],
        "include_cfrc_ext_in_observation": False,
    },
    "Humanoid-v5": RUNNING
    | {
        "contact_cost_weight": 1e-3,
        "contact_cost_range": [0.001, 0.1],
        "healthy_reward": 0.3,
        "terminate_when_unhealthy": False,
        "healthy_z_range": [1.39, 1.5],
        "include_cinert_in_observation": False,
        "include_cvel_in_observation": False,
        "include_qfrc_actuator_in_observation": False,
        "include_cfrc_ext_in_observation": False,
    },
    "Reacher-v5": {"reward_dist_weight": 2.0, "reward_control_weight": 0.3, "frame_skip": 3},
    "InvertedPendulum-v5": {"frame_skip": 1, "reset_noise_scale": 0.1},
    "InvertedDoublePendulum-v5": {
        "frame_skip": 2,
        "reset_noise_scale": 0.02,
        "healthy_reward": 3.0,
    },
}


@functools.cache
def play_with_defaults(env_id):
    return play(make_native(env_id), env_id, 60)


@pytest.mark.parametrize(
    ("env_id", "name", "value"),
    [(env_id, name, value) for env_id in KWARGS for name, value in KWARGS[env_id].items()],
)
def test_keyword_arguments_change_a_rule_as_in_gymnasium(env_id, name, value):
    received = play(make_native(env_id, **{name: value}), env_id, 60)
    assert are_equal(received, play(make_serial(env_id, **{name: value}), env_id, 60))
    assert not are_equal(received, play_with_defaults(env_id))


def test_squares_are_those_of_scalars():
    # In one of a thousand, `pow` rounds differently from a product: too rare to meet in episodes.
    values = np.random.default_rng(0).normal(size=20_000)
    assert [value**2 for value in values] == _scalar_squares(values).tolist()


def test_an_unstable_simulation_is_reset_as_by_gymnasium(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the file in which MuJoCo logs a warning
    # A bad control becomes 0, and a bad acceleration resets all of MuJoCo's state, also controls.
    actions = np.full((NUM_COPIES, 17), 0.4, np.float32)
    outcomes, observations = [], []
    for environments in (make_native("Humanoid-v5"), make_serial("Humanoid-v5")):
        environments.reset(seed=0)
        copy = environments._copies[1]
        data = getattr(copy, "unwrapped", copy).data
        data.qvel[:] = 1e9
        outcomes.append(environments.step(np.arange(NUM_COPIES), actions))
        observations.append(environments.observations)
        assert data.ctrl.max() == 0
    assert are_equal(*outcomes)
    assert are_equal(*observations)


def test_sampled_episodes_are_the_same():
    def choose(observations, _):
        return 1.5 * np.sin(100 * observations[:, :1])

    native, serial = (
        sample_episodes(
            make("InvertedPendulum-v5"), FunctionActor(choose), 11, np.random.SeedSequence(7)
        )
        for make in (make_native, make_serial)
    )
    assert native.truncated.any()
    assert native.terminated.any()
    assert are_equal(native, serial)


class HeavyHopper(HopperEnv):
    """A subclass, whose rule may be a different one."""


@pytest.mark.parametrize(
    ("env", "has_rule"),
    [
        (lambda: gymnasium.make("Hopper-v5"), True),
        (lambda: gymnasium.make("Hopper-v5", disable_env_checker=True), True),
        (lambda: gymnasium.make("Hopper-v5", render_mode="rgb_array"), False),
        (lambda: TransformReward(gymnasium.make("Hopper-v5"), float), False),
        (HeavyHopper, False),
        (lambda: gymnasium.make("Pusher-v5"), False),
        (lambda: gymnasium.make("Bandit-v0"), False),
    ],
)
def test_only_known_environments_have_a_rule(env, has_rule):
    assert (find_rule(env()) is not None) == has_rule


def test_environments_without_a_rule_are_stepped_by_gymnasium():
    environments = make_environments(inspect_environment("Pusher-v5", {}), 2)
    assert type(environments) is SerialEnvironments


def test_the_fault_of_a_reset_is_gymnasiums():
    faults = []
    for make in (make_native, make_serial):
        with pytest.raises(CopyFault) as caught:
            make("Hopper-v5", reset_noise_scale="much").reset(seed=0)
        faults.append((str(caught.value), caught.value.copy))
    assert faults[0] == faults[1]


def test_the_fault_of_a_step_names_the_copy():
    environments = make_native("Hopper-v5")
    environments.reset(seed=0)
    with pytest.raises(CopyFault, match="could not broadcast") as caught:
        environments.step(np.array([2, 3]), np.zeros((2, 5), np.float32))
    assert caught.value.copy == 2


def test_mujoco_is_imported_only_if_it_is_used():
    code = """
import sys
from environments.specification import inspect_environment
from environments.vector.make import make_environments
make_environments(inspect_environment(sys.argv[1], {}), 2)
print("mujoco" in sys.modules)
"""
    for env_id, expected in [("Bandit-v0", "False"), ("Hopper-v5", "True")]:
        command = [sys.executable, "-c", code, env_id]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert output.strip() == expected
