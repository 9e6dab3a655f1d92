"""Masks of legal actions from Gymnasium and compiled environments."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from environments.checker import check_against_gymnasium
from environments.compiled.registry import reason_not_compiled
from environments.faults import EnvironmentFault
from environments.make import make_compiled
from environments.specification import inspect_environment
from environments.vector.make import make_environments
from environments.vector.serial import SerialEnvironments
from reinforce.sampling.gymnasium import sample_episodes
from tests.environments.count_to_seven import (
    GOAL,
    ID,
    LARGEST,
    CompiledCountToSeven,
    CountState,
    CountToSeven,
)
from tests.reinforce.actors import FunctionActor

IN_INFO = pytest.mark.parametrize("in_info", [False, True])
SEED = np.random.SeedSequence(0)


def inspect(**kwargs):
    return inspect_environment(ID, kwargs, action_mask="action_mask")


def greatest_legal(masks):
    """Return the greatest legal actions `[N]`, from masks `[N, A]`."""
    return LARGEST - 1 - np.argmax(masks[:, ::-1] > 0, axis=1)


@IN_INFO
def test_the_mask_follows_the_observation(in_info):
    specification = inspect(in_info=in_info)
    assert specification.observation_size == 1
    assert specification.action_mask.size == 3
    env = specification.with_vectors(gymnasium.make(ID, in_info=in_info))
    observation, _ = env.reset(seed=0)
    while (count := observation[0]) < 5:
        assert observation.tolist() == [count, 1, 1, 1]
        observation, *_ = env.step(0)
    assert observation.tolist() == [5, 1, 1, 0]
    observation, *_ = env.step(0)
    assert observation.tolist() == [6, 1, 0, 0]
    observation, *_ = env.step(0)
    assert observation.tolist() == [7, 0, 0, 0]  # a terminal state, which needs no legal action


@IN_INFO
@pytest.mark.parametrize("num_counters", [None, 2])
def test_each_copy_observes_its_own_mask(in_info, num_counters):
    # Illegal actions raise. With 30 episodes in 4 copies, each copy begins several episodes.
    specification = inspect(in_info=in_info, num_counters=num_counters)
    size = num_counters or 1

    def choose(seen, _):
        actions = [greatest_legal(mask) for mask in np.split(seen[:, size:], size, axis=1)]
        return actions[0] if num_counters is None else np.stack(actions, axis=1)

    environments = make_environments(specification, 30, max_copies=4)
    episodes = sample_episodes(environments, FunctionActor(choose), 30, SEED)
    seen = episodes.observations[episodes.valid]
    counts, masks = seen[:, :size], seen[:, size:].reshape(-1, size, LARGEST)
    legal = counts[..., np.newaxis] + np.arange(1, LARGEST + 1) <= GOAL
    np.testing.assert_array_equal(masks, legal)
    assert not masks.all()


def test_a_mask_is_not_used_without_action_mask():
    assert inspect_environment(ID, {}).action_mask is None
    assert inspect_environment(ID, {}).observation_size == 1 + LARGEST  # includes the mask
    assert inspect_environment(ID, {"in_info": True}).observation_size == 1


BAD = {
    "shape": (
        lambda mask: mask[:2],
        r"expected booleans of shape \(3,\) as the action mask .*\(2,",
    ),
    "text": (lambda mask: mask.astype(str), r"expected booleans of shape .*received <U4"),
    "numbers": (lambda mask: 0.5 * mask, r"expected true or false as the action mask .*0\.5"),
    "none legal": (lambda mask: 0 * mask, r"expected a legal action in the .*received \[0, 0, 0\]"),
}


@pytest.mark.parametrize("name", BAD)
@IN_INFO
def test_a_bad_mask_is_named_with_its_episode_and_step(in_info, name):
    change, message = BAD[name]
    specification = inspect(in_info=in_info)

    def changed(mask):
        return mask if mask.all() else change(mask)  # at a count of 5 or more

    copies = [CountToSeven(in_info, mask=changed) for _ in range(2)]
    environments = SerialEnvironments([specification.with_vectors(copy) for copy in copies])
    actor = FunctionActor(lambda seen, _: np.zeros(len(seen), int))
    with pytest.raises(EnvironmentFault, match=rf"^episode [01], step \d: {message}"):
        sample_episodes(environments, actor, 2, SEED)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_mask_is_found_by_inspection(name):
    change, message = BAD[name]
    env_id = f"{name.title().replace(' ', '')}-v0"
    gymnasium.register(
        env_id, lambda **_: CountToSeven(in_info=True, mask=change), max_episode_steps=10
    )
    with pytest.raises(EnvironmentFault, match=message):
        inspect_environment(env_id, {}, action_mask="action_mask")


def test_a_mask_missing_from_info_is_named():
    class Forgetful(CountToSeven):
        def step(self, action):
            return *super().step(action)[:4], {}

    environments = SerialEnvironments([inspect(in_info=True).with_vectors(Forgetful(in_info=True))])
    actor = FunctionActor(lambda seen, _: np.zeros(len(seen), int))
    message = "^episode 0, step 0: expected the action mask 'action_mask' in info, found none"
    with pytest.raises(EnvironmentFault, match=message):
        sample_episodes(environments, actor, 1, SEED)


def test_an_unknown_mask_name_is_reported():
    message = r"received 'legal'; the observation is .*, and the keys of info .* 'action_mask'$"
    with pytest.raises(EnvironmentFault, match=message):
        inspect_environment(ID, {"in_info": True}, action_mask="legal")
    with pytest.raises(EnvironmentFault, match="keys of info after a reset are none"):
        inspect_environment("CartPole-v1", {}, action_mask="legal")


def test_continuous_actions_cannot_be_masked():
    message = "^expected no action_mask, since only Discrete and MultiDiscrete .*Box.*'legal'"
    with pytest.raises(EnvironmentFault, match=message):
        inspect_environment("Pendulum-v1", {}, action_mask="legal")


def read_state(env: Any) -> CountState:
    return CountState(env.unwrapped.count[0])


def check_compiled(compiled):
    specification = inspect()
    check_against_gymnasium(
        compiled,
        lambda: specification.with_vectors(gymnasium.make(ID)),
        read_state,
        num_steps=200,
        num_resets=1000,
    )


def test_the_compiled_mask_matches_gymnasiums():
    compiled = make_compiled(inspect())
    low, high = compiled.observation_space.low, compiled.observation_space.high
    assert (low.tolist(), high.tolist()) == ([0, 0, 0, 0], [10, 1, 1, 1])
    check_compiled(compiled)


def test_a_wrong_compiled_mask_is_detected(monkeypatch):
    right = CompiledCountToSeven.action_mask
    monkeypatch.setattr(
        CompiledCountToSeven,
        "action_mask",
        lambda self, state: right(self, CountState(state.count + 1)),
    )
    with pytest.raises(AssertionError, match="observation: expected .* received"):
        check_compiled(make_compiled(inspect()))


def test_only_the_registered_mask_is_compiled():
    inspect()
    assert reason_not_compiled(ID, {}) is None
    assert reason_not_compiled(ID, {}, "action_mask") is None
    reason = "no compiled CountToSeven-v0 with the action mask 'legal'"
    assert reason_not_compiled(ID, {}, "legal") == reason
    reason = "no compiled CartPole-v1 with the action mask 'legal'"
    assert reason_not_compiled("CartPole-v1", {}, "legal") == reason


def test_an_observation_needs_more_than_a_mask():
    class OnlyMask(gymnasium.Env):
        observation_space = spaces.Dict(action_mask=spaces.MultiBinary(3))
        action_space = spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"action_mask": np.ones(3, np.int8)}, {}

    gymnasium.register("OnlyMask-v0", lambda **_: OnlyMask(), max_episode_steps=10)
    with pytest.raises(EnvironmentFault, match="whose observation is empty"):
        inspect_environment("OnlyMask-v0", {}, action_mask="action_mask")
