"""Checking params.yaml and its environments, as a function and as a command."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.faults import EnvironmentFault
from environments.specification import inspect_environment
from pipeline.check import main
from pipeline.task import check as module
from pipeline.task.check import check_params
from pipeline.task.errors import UserError
from pipeline.task.validation import load_params

ROOT = Path(__file__).parents[2]

TASK = """
    num_runs: 2
    policy: {hidden_sizes: [8], activation: tanh}
    rollout: {num_episodes: 10}
    train:
      num_episodes: 20
      episodes_per_update: 2
      gamma: 1.0
      optimizer: adam
      learning_rate: 0.01
      baseline: none
      normalize_advantages: false
      entropy_coefficient: 0.0
      max_gradient_norm: null
    evaluate: {num_episodes: 3}
    env: """
ENVIRONMENTS = {
    "bandit": "{id: Bandit-v0, kwargs: {probabilities: [0.3, 0.7]}}",
    "cartpole": "{id: CartPole-v1}",
    "frozen_lake": "{id: FrozenLake-v1}",
}
VALID = "seed: 0\ntasks:" + "".join(f"\n  {key}:{TASK}{ENVIRONMENTS[key]}" for key in ENVIRONMENTS)


@pytest.fixture
def write(tmp_path):
    def write(*edits):
        """Write the valid file, with the first occurrence of each old text replaced."""
        text = VALID
        for old, new in edits:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def inspected(monkeypatch):
    """Collect the environments that are inspected; Bad-v0 raises an error."""
    seen = []

    def inspect(env_id, kwargs, max_episode_steps, action_mask):
        assert action_mask is None
        seen.append((env_id, kwargs, max_episode_steps))
        if env_id == "Bad-v0":
            raise EnvironmentFault("expected a good one,\n    received Bad-v0")
        return inspect_environment("Bandit-v0", {})

    monkeypatch.setattr(module, "inspect_environment", inspect)
    return seen


def message(path, tasks=None):
    with pytest.raises(UserError) as error:
        check_params(path, tasks)
    return str(error.value)


def test_a_good_file_gives_its_params(write):
    path = write()
    assert check_params(path) == load_params(path)


def test_the_committed_file_and_its_environments_are_good():
    assert check_params(ROOT / "params.yaml")


def test_every_environment_is_inspected_with_its_keyword_arguments(write, inspected):
    check_params(write(("{id: CartPole-v1}", "{id: CartPole-v1, max_episode_steps: 77}")))
    assert inspected == [
        ("Bandit-v0", {"probabilities": [0.3, 0.7]}, None),
        ("CartPole-v1", {}, 77),
        ("FrozenLake-v1", {}, None),
    ]


def test_only_the_named_tasks_environments_are_inspected(write, inspected):
    check_params(write(("Bandit-v0", "Bad-v0")), ["cartpole"])
    assert inspected == [("CartPole-v1", {}, None)]


@pytest.mark.usefixtures("inspected")
def test_an_environment_that_is_refused(write):
    path = write(("CartPole-v1", "Bad-v0"))
    assert message(path) == f"{path}: tasks.cartpole.env: expected a good one, received Bad-v0"


@pytest.mark.usefixtures("inspected")
def test_mistakes_of_fields_and_of_environments_are_reported_together(write):
    path = write(("Bandit-v0", "Bad-v0"), ("gamma: 1.0", "gamma: 2.0"), ("CartPole-v1", "Bad-v0"))
    assert message(path).splitlines() == [
        f"{path}: tasks.bandit.train.gamma: expected a number from 0 to 1, received 2.0",
        f"{path}: tasks.bandit.env: expected a good one, received Bad-v0",
        f"{path}: tasks.cartpole.env: expected a good one, received Bad-v0",
    ]


@pytest.mark.usefixtures("inspected")
def test_a_stage_refuses_a_mistake_in_another_task_too(write):
    path = write((f"cartpole:{TASK}", f"cartpole:{TASK.replace('1.0', '2')}"))
    assert message(path, ["bandit"]) == (
        f"{path}: tasks.cartpole.train.gamma: expected a number from 0 to 1, received 2"
    )


@pytest.mark.usefixtures("inspected")
def test_a_task_that_is_not_in_the_file(write):
    path = write()
    assert message(path, ["cartpol"]) == (
        f"expected a task of {path}, one of bandit, cartpole, frozen_lake, received 'cartpol'; did "
        "you mean cartpole?"
    )


def test_an_unknown_environment(write):
    path = write(("CartPole-v1", "CartPool-v1"))
    (line,) = message(path).splitlines()
    assert line.startswith(f"{path}: tasks.cartpole.env: expected the id of an installed Gymnasium")
    assert "'CartPool-v1'" in line


def test_an_environment_without_a_time_limit(write):
    path = write(("{id: CartPole-v1}", "{id: Blackjack-v1}"))
    assert message(path) == (
        f"{path}: tasks.cartpole.env: expected max_episode_steps, a number of env steps after "
        "which an episode is truncated, since Blackjack-v1 has no time limit of its own; received "
        "none"
    )
    assert check_params(write(("{id: CartPole-v1}", "{id: Blackjack-v1, max_episode_steps: 30}")))


@pytest.mark.parametrize(
    ("env_id", "option", "mistake"),
    [
        (
            "CartPole-v1",
            "bounded_actions: squash",
            "bounded_actions: expected clip, since only Box actions have a Normal policy, and "
            "these are Discrete(2), received 'squash'",
        ),
        (
            "CartPole-v1",
            "standard_deviation: state_dependent",
            "standard_deviation: expected state_independent, since only Box actions have a "
            "Normal policy, and these are Discrete(2), received 'state_dependent'",
        ),
        (
            "CartPole-v1",
            "initial_standard_deviation: 0.4",
            "initial_standard_deviation: expected 1.0, since only Box actions have a Normal "
            "policy, and these are Discrete(2), received 0.4",
        ),
        ("Pendulum-v1", "bounded_actions: squash", None),
        ("Pendulum-v1", "standard_deviation: state_dependent", None),
        ("CartPole-v1", "bounded_actions: clip", None),
    ],
)
def test_options_of_normal_policies_are_refused_for_others(write, env_id, option, mistake):
    path = write(("{id: Bandit-v0, kwargs: {probabilities: [0.3, 0.7]}}", f"{{id: {env_id}}}"))
    path.write_text(path.read_text().replace("activation: tanh", f"activation: tanh, {option}", 1))
    if mistake is None:
        assert check_params(path)
    else:
        assert message(path) == f"{path}: tasks.bandit.policy.{mistake}"


def test_a_missing_compiled_backend_is_refused(write):
    compiled = "{id: CartPole-v1, backend: compiled}"
    assert check_params(write(("{id: CartPole-v1}", compiled)))
    path = write(("{id: FrozenLake-v1}", "{id: FrozenLake-v1, backend: compiled}"))
    assert message(path) == (
        f"{path}: tasks.frozen_lake.env.backend: expected auto or gymnasium, since there is no "
        "compiled FrozenLake-v1, received 'compiled'"
    )


@pytest.mark.parametrize("width", [0, 1e-9])  # the latter is 0 in float32
def test_bounds_without_width_cannot_be_squashed_to(width, write, monkeypatch):
    space = spaces.Box(1, 1 + width, (2,), np.float64)
    flat = inspect_environment("Pendulum-v1", {})._replace(action_space=space)
    monkeypatch.setattr(module, "inspect_environment", lambda *_: flat)
    path = write(("activation: tanh", "activation: tanh, bounded_actions: squash"))
    assert f"expected clip, since {space} has bounds" in message(path)


@pytest.mark.filterwarnings("error")
def test_no_warning_about_bounds_beyond_float32(write, monkeypatch):
    wide = spaces.Box(-1e300, 1e300, (2,), np.float64)
    specification = inspect_environment("Pendulum-v1", {})._replace(action_space=wide)
    monkeypatch.setattr(module, "inspect_environment", lambda *_: specification)
    assert check_params(write())


@pytest.mark.usefixtures("inspected")
def test_the_command_reports_no_mistakes(write, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.check.default_num_workers", lambda: 2)
    path = write()
    main(["--params", str(path)])
    assert capsys.readouterr() == (
        f"{path}: 3 tasks (bandit, cartpole, frozen_lake), no mistakes\n"
        "peak memory for episodes, if all reach the time limit: bandit 1 MB, cartpole 2 MB, "
        "frozen_lake 1 MB\n",
        "",
    )


def test_memory_is_that_of_the_largest_stage_and_too_little_is_a_mistake(
    write, capsys, monkeypatch
):
    # A step of CartPole has 4 + 2 float32 numbers, an int32 action and 3 flags: 31 bytes. Each
    # episode has up to 500 steps. Stage `rollout` holds 2 · 10 episodes twice; a worker of `train`
    # holds 2 · 10 and 4 · 10 of an update; a worker of `evaluate` holds 3 · 3. So the two workers
    # of `train` need the most.
    monkeypatch.setattr("pipeline.check.default_num_workers", lambda: 2)
    path = write()
    text = path.read_text().replace("episodes_per_update: 2", "episodes_per_update: 10")
    path.write_text(text)
    size = 2 * (2 * 10 + 4 * 10) * 500 * 31
    memory = SimpleNamespace(total=size)
    monkeypatch.setattr("pipeline.check.psutil.virtual_memory", lambda: memory)
    main(["--params", str(path)])
    assert "cartpole 2 MB" in capsys.readouterr().out
    memory.total -= 1
    with pytest.raises(SystemExit) as error:
        main(["--params", str(path)])
    assert str(error.value) == (
        f"{path}: tasks.cartpole: episodes of up to 500 steps need up to 2 MB of memory, but this "
        "machine has 2 MB; reduce env.max_episode_steps or the numbers of episodes"
    )


@pytest.mark.usefixtures("inspected")
def test_the_command_counts_one_task(tmp_path, capsys):
    path = tmp_path / "params.yaml"
    path.write_text(VALID.partition("  cartpole:")[0])
    main(["--params", str(path)])
    assert capsys.readouterr().out.startswith(f"{path}: 1 task (bandit), no mistakes\n")


def test_the_command_reports_mistakes_on_stderr_and_fails_without_a_traceback(write):
    path = write(("seed: 0", "seed: -1"), ("CartPole-v1", "CartPool-v1"))
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "check", "--params", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0] == f"{path}: seed: expected an integer from 0 to 4294967295, received -1"
    assert lines[1].startswith(f"{path}: tasks.cartpole.env: expected")
    assert len(lines) == 2


def test_advantages_that_are_always_0_are_refused(write):
    one_step = (
        ("episodes_per_update: 2", "episodes_per_update: 1"),
        ("normalize_advantages: false", "normalize_advantages: true"),
    )
    path = write(*one_step)  # of the bandit, the first task
    assert message(path) == (
        f"{path}: tasks.bandit.train.normalize_advantages: expected false, since each update has "
        "one step, so its normalized advantage is always 0, received true"
    )
    check_params(write(one_step[0]))
    check_params(write(one_step[1]))


class Moody(gymnasium.Env):
    """An environment with rewards that no seed determines."""

    observation_space, action_space = spaces.Box(-1, 1, (1,)), spaces.Discrete(2)

    def __init__(self, draw=None, **_):
        self.draw = np.random.default_rng().normal if draw is None else lambda: draw

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, _):
        return np.zeros(1, np.float32), self.draw(), False, False, {}


gymnasium.register("Moody-v0", lambda **kwargs: Moody(**kwargs), max_episode_steps=3)


def test_the_command_tries_environments_out(write, capsys):
    moody = "{id: Moody-v0}"
    path = write((ENVIRONMENTS["bandit"], moody))
    main(["--params", str(path)])
    out, err = capsys.readouterr()
    assert "no mistakes\n" in out
    assert err.startswith(f"warning: {path}: tasks.bandit.env: expected the same episode from the ")
    faulty = "{id: Moody-v0, kwargs: {draw: [1]}}"
    path = write((ENVIRONMENTS["bandit"], faulty), (ENVIRONMENTS["cartpole"], faulty))
    with pytest.raises(SystemExit) as error:
        main(["--params", str(path)])
    assert [line.partition(" as the reward")[0] for line in str(error.value).splitlines()] == [
        f"{path}: tasks.{task}.env: trial episode, step 0: expected a number"
        for task in ("bandit", "cartpole")
    ]
