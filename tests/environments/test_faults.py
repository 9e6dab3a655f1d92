"""Faults of environments are reported with run, episode and step."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from environments.faults import EnvironmentFault
from environments.specification import inspect_environment
from environments.vector.make import make_environments
from environments.vector.serial import SerialEnvironments
from environments.vector.vectorized import VectorizedEnvironments
from pipeline.evaluate import evaluate
from pipeline.rollout import rollout
from pipeline.task.task import load_task
from pipeline.train import train
from reinforce.sampling.gymnasium import sample_episodes
from tests.pipeline.small_task import BANDIT, write_params
from tests.pipeline.test_stages import run_stages
from tests.reinforce.actors import FunctionActor


class Misbehaving(gymnasium.Env):
    """Episodes of 3 steps; by default the first fault is in step 1 of each copy's second episode.

    Args:
        does: The fault of a step: a function that replaces the five values it returns, or raises.
        reset: The fault of a reset: a function that replaces its two values, or raises.
        first: The first episode with a fault in a step.
        close: The fault of closing: a function that raises.
    """

    def __init__(self, does=None, reset=None, first=1, close=None, **_):
        self.observation_space = spaces.Box(-100, 100, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.does, self.at_reset, self.first, self.episode = does, reset, first, -1
        self.at_close = close

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.number = 0
        returned: Any = (np.zeros(2, np.float32), {})
        return self.at_reset(*returned) if self.at_reset and self.episode else returned

    def close(self):
        if self.at_close:
            self.at_close()

    def step(self, action):
        number, self.number = self.number, self.number + 1
        returned: Any = (np.ones(2, np.float32), 1.0, number == 2, False, {})
        if self.does and self.episode >= self.first and number == 1:
            return self.does(*returned)
        return returned


def fail(*_, **__):
    raise RuntimeError("the rope\nbroke")


def leave_early(observation, reward, _, *rest):
    return observation, reward, True, *rest


def leave(*_):
    raise SystemExit(0)  # as some libraries do on errors


class PanicException(BaseException):  # its name in libraries written in Rust
    pass


def panic(*_):
    raise PanicException("index out of bounds")


class Policy(FunctionActor):
    """Outputs are not finite if an observation is not."""

    def __init__(self):
        super().__init__(lambda observations, _: np.zeros(len(observations), int))

    def act(self, observations):
        outputs = observations.sum(axis=1, keepdims=True)
        return super().act(observations)._replace(outputs=outputs)


def sample(environments):
    # Copies 0 and 1 play episodes 0 and 1, then 2 and 3.
    return sample_episodes(environments, Policy(), 4, np.random.SeedSequence(0))


def serial(**arguments):
    return SerialEnvironments([Misbehaving(**arguments) for _ in range(2)])


STEPS = [
    (fail, "episode 2, step 1: RuntimeError: the rope broke"),
    (leave, "episode 2, step 1: SystemExit: 0"),
    (panic, "episode 2, step 1: PanicException: index out of bounds"),
    (
        lambda o, r, *rest: (o[:1], r, *rest),
        r"episode 2, step 1: expected numbers of shape \(2,\) as the observation, received float32 "
        r"of shape \(1,\)",
    ),
    (
        lambda o, r, *rest: (o, float("nan"), *rest),
        "episode 2, step 1: expected a finite reward, received nan",
    ),
    (
        lambda o, r, *rest: (o, -np.inf, *rest),
        "episode 2, step 1: expected a finite reward, received -inf",
    ),
    *[
        (
            lambda o, r, *rest, reward=reward: (o, reward, *rest),
            rf"episode 2, step 1: expected a number as the reward, received {received}$",
        )
        for reward, received in [
            (None, "None of type NoneType"),
            ("2", "'2' of type str"),
            (10**40, f"1{'0' * 40} of type int"),
            (np.ones(1), r"float64 of shape \(1,\)"),
            (np.ones(2), r"float64 of shape \(2,\)"),
        ]
    ],
    *[
        (
            lambda o, r, _, *rest, end=end: (o, r, end, *rest),
            f"episode 2, step 1: expected true or false as terminated, received {received}$",
        )
        for end, received in [
            ("False", "'False' of type str"),
            (None, "None of type NoneType"),
            (2, "2"),
        ]
    ],
    (
        lambda o, r, ends, *_: (o, r, ends, "False", {}),
        "episode 2, step 1: expected true or false as truncated, received 'False' of type str$",
    ),
    (
        lambda o, *rest: (["0.5", "2"], *rest),
        r"episode 2, step 1: expected numbers of shape \(2,\) as the observation, received <U3",
    ),
    (lambda o, r, *rest: (o, r), "episode 2, step 1: ValueError: not enough values"),
    (
        lambda o, r, *rest: (o * np.nan, r, *rest),
        r"episode 2, step 2: expected a finite observation, received \[nan nan\]",
    ),
]


@pytest.mark.parametrize(("does", "message"), STEPS)
def test_a_step_is_named(does, message):
    with pytest.raises(EnvironmentFault, match=f"^{message}"):
        sample(serial(does=does))


def test_an_observation_that_the_policy_ignores_is_checked():
    environments = serial(does=lambda o, r, *rest: (o * np.inf, r, *rest))

    indifferent = FunctionActor(lambda observations, _: np.zeros(len(observations), int))
    with pytest.raises(EnvironmentFault, match="^episode 2, step 2: expected a finite observation"):
        sample_episodes(environments, indifferent, 4, np.random.SeedSequence(0))


@pytest.mark.parametrize(
    ("reset", "message"),
    [
        (fail, "episode 2, reset: RuntimeError: the rope broke"),
        (leave, "episode 2, reset: SystemExit: 0"),
        (lambda o, i: (o[:1], i), "episode 2, reset: expected numbers of shape"),
        (lambda o, i: o, "episode 2, reset: expected numbers of shape"),
    ],
)
def test_a_reset_is_named(reset, message):
    with pytest.raises(EnvironmentFault, match=f"^{message}"):
        sample(serial(reset=reset))


def test_the_first_reset_is_named():
    # Both copies begin their first episode; the second copy fails.
    copies = [Misbehaving(), Misbehaving(reset=fail)]
    copies[1].episode = 0
    with pytest.raises(EnvironmentFault, match="^episode 1, reset: RuntimeError: the rope broke"):
        sample(SerialEnvironments(copies))
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    environments.reset = fail
    with pytest.raises(
        EnvironmentFault,
        match=r"^episode 0 \(or another of the 2 running\), reset: RuntimeError: the rope broke",
    ):
        sample(VectorizedEnvironments(environments))


def test_a_fault_in_a_step_that_a_copy_waits_for_names_the_reset():
    # The first copy's episode ends early. The next step, in which only the other copy takes part,
    # fails.
    environments: Any = SyncVectorEnv([lambda: Misbehaving(does=leave_early, first=0)] * 2)
    step, calls = environments.step, []

    def failing(actions):
        calls.append(actions)
        return fail() if len(calls) == 3 else step(actions)

    environments.step = failing
    with pytest.raises(
        EnvironmentFault, match=r"^episode 2 \(or another of the 2 running\), reset: RuntimeError"
    ):
        sample(VectorizedEnvironments(environments))


def test_a_fault_of_a_single_copy_names_no_other_episodes():
    with pytest.raises(EnvironmentFault, match="^episode 1, step 1: RuntimeError: the rope broke"):
        sample(VectorizedEnvironments(SyncVectorEnv([lambda: Misbehaving(does=fail)])))


@pytest.mark.parametrize("close", [fail, leave, panic])
def test_errors_of_close_are_ignored(close):
    serial(close=close).close()
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    environments.close = close
    VectorizedEnvironments(environments).close()


def test_a_constructor_that_exits_is_reported_as_a_fault():
    gymnasium.register("Leaving-v0", lambda **_: leave(), max_episode_steps=5)
    try:
        with pytest.raises(EnvironmentFault, match="accepts, received {}: SystemExit: 0"):
            inspect_environment("Leaving-v0", {})
    finally:
        del gymnasium.registry["Leaving-v0"]


def test_a_fault_of_a_vector_environment_is_named():
    environments = SyncVectorEnv([lambda: Misbehaving(does=fail)] * 2)
    with pytest.raises(
        EnvironmentFault,
        match=r"^episode 2 \(or another of the 2 running\), step 1: RuntimeError: the rope broke",
    ):
        sample(VectorizedEnvironments(environments))


def test_wrong_shapes_of_a_vector_environment_are_named():
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    step = environments.step

    def short_of_a_reward(actions):
        observations, rewards, *rest = step(actions)
        return observations, rewards[:1], *rest

    environments.step = short_of_a_reward
    with pytest.raises(
        EnvironmentFault,
        match=r"expected numbers of shape \(2,\) as the rewards, received float64 of shape \(1,\)",
    ):
        sample(VectorizedEnvironments(environments))


@pytest.mark.parametrize("name", ["step", "reset"])
def test_wrong_observations_of_a_vector_environment_are_named(name):
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    method = getattr(environments, name)

    def short_of_a_number(*arguments, **keywords):
        observations, *rest = method(*arguments, **keywords)
        return observations[:, :1], *rest

    setattr(environments, name, short_of_a_number)
    with pytest.raises(
        EnvironmentFault,
        match=r"expected numbers of shape \(2, 2\) as the observations, received float32 of shape "
        r"\(2, 1\)",
    ):
        sample(VectorizedEnvironments(environments))


@pytest.mark.parametrize(("index", "name"), [(1, "the rewards"), (2, "terminated")])
def test_text_from_a_vector_environment_is_named(index, name):
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    step = environments.step

    def in_text(actions):
        outcome = list(step(actions))
        outcome[index] = np.array(["0", "1"])
        return outcome

    environments.step = in_text
    with pytest.raises(EnvironmentFault, match=f"as {name}, received <U1 of shape"):
        sample(VectorizedEnvironments(environments))


def test_terminated_and_truncated_may_be_numbers():
    environments: Any = SyncVectorEnv([Misbehaving] * 2)
    step = environments.step

    def in_numbers(actions):
        observations, rewards, terminated, truncated, infos = step(actions)
        return observations, rewards, terminated.astype(int), truncated.astype(float), infos

    environments.step = in_numbers
    episodes = sample(VectorizedEnvironments(environments))
    assert episodes.num_steps.tolist() == [3, 3, 3, 3]
    assert episodes.terminated.sum() == 4


def test_an_episode_beyond_the_time_limit_is_named():
    environments = serial(does=lambda o, r, terminated, *rest: (o, r, False, *rest))
    environments.max_episode_steps = 2
    with pytest.raises(
        EnvironmentFault,
        match="^episode 0, step 1: expected the episode to end by max_episode_steps: 2, "
        "received a step that does not end it",
    ):
        sample(environments)


def test_the_time_limit_is_that_of_the_specification():
    environments = make_environments(inspect_environment("CartPole-v1", {}, 17), 2)
    assert environments.max_episode_steps == 17


def test_copies_that_cannot_be_made_are_reported_as_a_fault():
    specification = inspect_environment("CartPole-v1", {})._replace(kwargs={"rope": 1})
    with pytest.raises(
        EnvironmentFault, match="expected parallel copies of CartPole-v1 .*{'rope': 1}"
    ):
        make_environments(specification, 2)


def test_gymnasiums_checker_can_be_disabled():
    specification = inspect_environment("CartPole-v1", {"disable_env_checker": True})
    assert isinstance(make_environments(specification, 2), VectorizedEnvironments)


class OnePort(Misbehaving):
    """Allows one instance at a time, raises when it is closed, and has unseeded random rewards."""

    is_taken = False

    def __init__(self, **_):
        assert not OnePort.is_taken
        OnePort.is_taken = True
        super().__init__()

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, np.random.default_rng().normal(), *rest

    def close(self):
        OnePort.is_taken = False
        leave()


gymnasium.register("OnePort-v0", lambda **_: OnePort(), max_episode_steps=5)


def test_stages_do_all_their_work_in_one_copy_whatever_closing_raises(
    tmp_path, monkeypatch, capsys
):
    params = copy.deepcopy(BANDIT)
    params["env"] = {"id": "OnePort-v0", "num_copies": 1}
    task = run_stages(tmp_path, monkeypatch, params=params, stages=(rollout, train, evaluate))
    assert task.files.metrics.exists()
    assert (
        "warning: task: OnePort-v0: expected the same episode from the same"
        in capsys.readouterr().err
    )


gymnasium.register("Misbehaving-v0", lambda **k: Misbehaving(fail, **k), max_episode_steps=5)


def test_the_stages_name_the_task_the_environment_and_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(first, num_workers=1):
        params = copy.deepcopy(BANDIT)
        # 4 episodes in 4 copies. The first update uses the rollouts; the second uses the first
        # episodes of the training's own copies.
        params["env"] = {"id": "Misbehaving-v0", "kwargs": {"first": first}}
        params["rollout"]["num_episodes"] = 4
        params["train"]["num_episodes"] = 8
        task = load_task(write_params(tmp_path, task=params), "task")
        return task._replace(num_workers=num_workers)

    with pytest.raises(EnvironmentFault, match="^task: Misbehaving-v0: trial episode, step 1: "):
        rollout(load(0))
    assert not (tmp_path / "data").exists()
    rollout(load(1))
    where = r"^task: Misbehaving-v0: run 0: "
    with pytest.raises(EnvironmentFault, match=f"{where}update 1: episode 0, step 1: RuntimeError"):
        train(load(0))
    train(load(1))
    with pytest.raises(EnvironmentFault, match=f"{where}episode 0, step 1: RuntimeError"):
        evaluate(load(0))
