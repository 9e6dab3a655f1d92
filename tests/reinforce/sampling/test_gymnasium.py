"""Sampling of complete episodes in Gymnasium environments."""

from collections import Counter

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from environments.vector.serial import SerialEnvironments
from environments.vector.vectorized import VectorizedEnvironments
from reinforce.sampling import gymnasium as sampling
from reinforce.sampling.gymnasium import GymnasiumSampler, sample_episodes
from tests.reinforce.actors import LOG_PROB, FunctionActor


class Corridor(gymnasium.Env):
    """An environment whose first action is the episode's length.

    The observation is the number of steps taken, and the reward of each step is its number, 1, 2,
    …. The last step terminates the episode, or truncates it if `truncate` is set.
    """

    def __init__(self, truncate=False):
        self.observation_space = spaces.Box(0, 1000, (1,))
        self.action_space = spaces.Discrete(1000)
        self.truncate = truncate

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_number = 0
        return self._observation(), {}

    def step(self, action):
        if self.step_number == 0:
            self.length = action
        self.step_number += 1
        ended = bool(self.step_number == self.length)
        reward, terminated = float(self.step_number), ended and not self.truncate
        return self._observation(), reward, terminated, ended and self.truncate, {}

    def _observation(self):
        return np.array([self.step_number], np.float32)


def serial(make, num_envs):
    return SerialEnvironments([make() for _ in range(num_envs)])


def vectorized(make, num_envs):
    return VectorizedEnvironments(SyncVectorEnv([make] * num_envs))


def corridors(num_envs, **kwargs):
    return serial(lambda: Corridor(**kwargs), num_envs)


def choose(lengths):
    """Create a policy that draws each episode's length uniformly from `lengths`."""

    def draw(observations, generator):
        return generator.choice(lengths, size=len(observations))

    return FunctionActor(draw)


SEED = np.random.SeedSequence(7)


def require_complete(episodes):
    """Assert that every step of every episode in a corridor is stored in order."""
    for episode, length in enumerate(episodes.num_steps):
        assert length == episodes.actions[episode, 0]  # chosen by the first action
        # Observations 0, 1, … and rewards 1, 2, … in order: no step is missing or duplicated, and
        # none is the reset step after an episode's end, whose reward is 0.
        np.testing.assert_array_equal(episodes.observations[episode, :length, 0], range(length))
        np.testing.assert_array_equal(episodes.rewards[episode, :length], 1 + np.arange(length))
        assert episodes.valid[episode, :length].all()
        assert not episodes.valid[episode, length:].any()
    assert episodes.valid.shape[1] == episodes.num_steps.max()


@pytest.mark.parametrize("parallel", [serial, vectorized])
@pytest.mark.parametrize(("num_envs", "num_episodes"), [(1, 1), (1, 3), (4, 4), (4, 11), (8, 3)])
def test_exactly_the_requested_number_of_complete_episodes(num_envs, num_episodes, parallel):
    environments = parallel(Corridor, num_envs)
    environments.max_episode_steps = 5  # of each episode, not of all that a copy plays
    episodes = sample_episodes(environments, choose([1, 2, 5]), num_episodes, SEED)
    assert len(episodes.valid) == num_episodes
    require_complete(episodes)
    np.testing.assert_array_equal(
        episodes.episode_returns, episodes.num_steps * (episodes.num_steps + 1) / 2
    )


@pytest.mark.parametrize("buffer_size", [1, 20, 2**20])
def test_a_batch_grows_with_its_episodes(buffer_size, monkeypatch):
    # With a small buffer, the batch grows many times during the 200 steps, while two other episodes
    # run in the other copy. No step may be lost when it grows.
    monkeypatch.setattr(sampling, "BUFFER_SIZE", buffer_size)
    lengths = iter([200, 3, 70])
    actor = FunctionActor(
        lambda observations, _: np.array(
            [0 if number else next(lengths) for number in observations[:, 0]]
        )
    )
    with GymnasiumSampler(lambda: corridors(2), actor, num_episodes=3) as sampler:
        episodes = sampler.sample(SEED)
    assert episodes.num_steps.tolist() == [200, 3, 70]
    require_complete(episodes)
    np.testing.assert_array_equal(episodes.log_probs, LOG_PROB * episodes.valid)
    np.testing.assert_array_equal(episodes.terminated.sum(axis=1), 1)
    assert episodes.terminated[range(3), episodes.num_steps - 1].all()


def test_a_sampler_closes_its_environments_and_can_be_entered_again(monkeypatch):
    closed = []
    monkeypatch.setattr(Corridor, "close", lambda _: closed.append(True))
    sampler = GymnasiumSampler(lambda: corridors(2), choose([1, 2, 5]), num_episodes=3)
    batches = []
    for count in (2, 4):
        with sampler:
            batches.append(sampler.sample(SEED))
        assert len(closed) == count
    for first, second in zip(*batches, strict=True):
        np.testing.assert_array_equal(first, second)


def test_short_episodes_are_not_over_represented():
    # Half of all episodes have 1 step, half 20. The first 32 to finish in 32 copies would all be
    # short. If the episodes are chosen before they start, 16 ± 4 √(32 / 4) = 16 ± 11 are short.
    episodes = sample_episodes(corridors(32), choose([1, 20]), 32, SEED)
    counts = Counter(episodes.num_steps.tolist())
    assert set(counts) == {1, 20}
    assert abs(counts[1] - 16) <= 11


def test_the_first_episodes_to_start_are_kept():
    # One copy runs a long episode while the other could finish many short ones. Of 3 requested
    # episodes, one is the long one, and two are the first short ones.
    actor = FunctionActor(lambda observations, _: np.array([20, 1])[-len(observations) :])
    episodes = sample_episodes(corridors(2), actor, 3, SEED)
    assert episodes.num_steps.tolist() == [20, 1, 1]


@pytest.mark.parametrize("parallel", [serial, vectorized])
def test_the_observation_after_the_last_step_is_recorded_unless_it_is_terminal(parallel):
    for truncate in (True, False):
        environments = parallel(lambda truncate=truncate: Corridor(truncate), 4)
        episodes = sample_episodes(environments, choose([1, 2, 5]), 11, SEED)
        np.testing.assert_array_equal(
            episodes.final_observations[:, 0], truncate * episodes.num_steps
        )
    assert len(set(episodes.num_steps)) == 3


@pytest.mark.parametrize("truncate", [False, True])
def test_terminated_and_truncated_stay_apart(truncate):
    episodes = sample_episodes(corridors(2, truncate=truncate), choose([3]), 4, SEED)
    last = np.tile([False, False, True], (4, 1))
    np.testing.assert_array_equal(episodes.truncated, last & truncate)
    np.testing.assert_array_equal(episodes.terminated, last & (not truncate))


@pytest.mark.parametrize("parallel", [serial, vectorized])
def test_the_same_seed_gives_the_same_episodes_regardless_of_earlier_ones(parallel):
    environments = parallel(Corridor, 3)
    first = sample_episodes(environments, choose([1, 2, 3]), 5, SEED)
    other = sample_episodes(environments, choose([1, 2, 3]), 5, np.random.SeedSequence(8))
    again = sample_episodes(environments, choose([1, 2, 3]), 5, SEED)
    for expected, received in zip(first, again, strict=True):
        np.testing.assert_array_equal(received, expected)
    assert first.num_steps.tolist() != other.num_steps.tolist()


def test_the_seed_determines_the_environments_randomness():
    class RandomStart(Corridor):
        def _observation(self):
            return self.np_random.uniform(size=1).astype(np.float32)

    def starts(seed):
        sequence = np.random.SeedSequence(seed)
        environments = serial(RandomStart, 2)
        return sample_episodes(environments, choose([1]), 4, sequence).observations.ravel()

    np.testing.assert_array_equal(starts(1), starts(1))
    assert len({*starts(1), *starts(2)}) == 8


def test_the_raw_action_is_recorded_and_the_clipped_one_is_taken():
    taken = []

    class Recorder(gymnasium.Env):
        observation_space = spaces.Box(-1, 1, (1,))
        action_space = spaces.Box(-1, 1, (1,))

        def reset(self, *, seed=None, options=None):
            return np.zeros(1, np.float32), {}

        def step(self, action):
            taken.append(float(action[0]))
            return np.zeros(1, np.float32), 0.0, True, False, {}

    def choose(observations, _):
        raw = np.full((len(observations), 1), 2.5, np.float32)
        return np.clip(raw, -1, 1), raw

    episodes = sample_episodes(serial(Recorder, 1), FunctionActor(choose), 1, SEED)
    assert taken == [1.0]
    assert episodes.actions.tolist() == [[[2.5]]]


def test_the_environment_receives_actions_of_its_dtype():
    class Double(Corridor):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.Box(-1, 1, (1,), np.float64)

        def step(self, action):
            assert action.dtype == np.float64
            return self._observation(), 0.0, True, False, {}

    actor = FunctionActor(lambda observations, _: np.zeros((len(observations), 1), np.float32))
    assert len(sample_episodes(serial(Double, 1), actor, 2, SEED).valid) == 2


class NeverStepped(Corridor):
    def step(self, action):
        raise AssertionError


@pytest.mark.parametrize(
    "actor",
    [
        FunctionActor(
            lambda observations, _: np.zeros(len(observations), np.int64), outputs=np.nan
        ),
        FunctionActor(lambda observations, _: np.full(len(observations), np.inf, np.float32)),
    ],
)
def test_a_policy_that_is_not_finite_never_reaches_the_environment(actor):
    with pytest.raises(FloatingPointError, match="outputs are not finite"):
        sample_episodes(serial(NeverStepped, 1), actor, 1, SEED)


def test_the_log_probabilities_are_of_the_sampled_actions():
    class Scored(FunctionActor):
        def log_prob(self, outputs, raw_actions):
            return -raw_actions.astype(np.float32)

    lengths = choose([1, 2, 5]).choose
    episodes = sample_episodes(corridors(2), Scored(lengths), 5, SEED)
    np.testing.assert_array_equal(episodes.log_probs, -episodes.actions * episodes.valid)
    constant = sample_episodes(corridors(2), FunctionActor(lengths), 5, SEED)
    np.testing.assert_array_equal(constant.log_probs, LOG_PROB * constant.valid)


@pytest.mark.parametrize("buffer_size", [1, 3, 1000])
def test_log_probabilities_are_computed_for_many_steps_at_a_time(buffer_size, monkeypatch):
    sizes = []

    class Scored(FunctionActor):
        def log_prob(self, outputs, raw_actions):
            sizes.append(len(outputs))
            return -raw_actions.astype(np.float32)

    monkeypatch.setattr(sampling, "BUFFER_SIZE", buffer_size)
    episodes = sample_episodes(corridors(2), Scored(choose([1, 2, 5]).choose), 5, SEED)
    np.testing.assert_array_equal(episodes.log_probs, -episodes.actions * episodes.valid)
    assert sum(sizes) == episodes.valid.sum()
    assert max(sizes[:-1], default=buffer_size) in range(buffer_size, buffer_size + 2)  # two copies


def test_log_probabilities_that_are_not_finite_are_refused():
    class Impossible(FunctionActor):
        def log_prob(self, outputs, raw_actions):
            return np.where(np.arange(len(outputs)) == 2, -np.inf, 0)

    with pytest.raises(FloatingPointError, match="log-probabilities are not finite"):
        sample_episodes(corridors(2), Impossible(choose([2]).choose), 2, SEED)


def test_another_autoreset_mode_is_refused():
    environments = SyncVectorEnv([Corridor], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="next-step autoreset"):
        VectorizedEnvironments(environments)


def test_a_copy_without_an_episode_takes_no_steps():
    # The first copy runs 4 steps, then waits while the second runs 9. Every step is kept, and the
    # policy computes only actions that are taken.
    taken, observed = [], []

    class Counted(Corridor):
        def step(self, action):
            taken.append(action)
            return super().step(action)

    def choose(observations, _):
        observed.extend(observations[:, 0].tolist())
        return np.array([4, 9])[-len(observations) :]

    episodes = sample_episodes(serial(Counted, 2), FunctionActor(choose), 2, SEED)
    assert episodes.num_steps.tolist() == [4, 9]
    assert len(taken) == len(observed) == 13


@pytest.mark.parametrize(("parallel", "num_steps"), [(serial, 3 * 4), (vectorized, 3 * 4 + 2)])
def test_the_next_episode_starts_at_once_if_possible(parallel, num_steps, monkeypatch):
    # Three episodes of four steps, one after the other. Copies that can only step all at once need
    # an extra reset step in between.
    environments, calls = parallel(Corridor, 1), []
    step = environments.step

    def record_call(copies, actions):
        calls.append(len(copies))
        return step(copies, actions)

    monkeypatch.setattr(environments, "step", record_call)
    sample_episodes(environments, choose([4]), 3, SEED)
    assert len(calls) == num_steps
    assert sum(calls) == 12


def test_both_kinds_of_environments_give_the_same_episodes():
    # With as many episodes as copies, the order in which copies become free does not matter.
    both = [
        sample_episodes(parallel(Corridor, 3), choose([1, 2, 5]), 3, SEED)
        for parallel in (serial, vectorized)
    ]
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("parallel", [serial, vectorized])
@pytest.mark.parametrize("changes", [False, True])
def test_an_environment_may_keep_its_actions_and_modify_them(parallel, changes):
    kept, received = [], []

    class ModifyingEnv(Corridor):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.Box(0, 100, (1,))

        def step(self, action):
            received.append(float(action[0]))
            kept.append(action)
            outcome = super().step(int(action[0]))
            if changes:
                action *= 0
            return outcome

    def count_down(observations, _):
        return 5 - observations  # 5 at first

    episodes = sample_episodes(parallel(ModifyingEnv, 2), FunctionActor(count_down), 2, SEED)
    np.testing.assert_array_equal(episodes.actions[..., 0], [[5, 4, 3, 2, 1]] * 2)
    if not changes:
        assert [float(action[0]) for action in kept] == received


def test_waiting_copies_get_valid_actions_even_if_the_environment_modifies_them():
    class From5(Corridor):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.MultiDiscrete([10], start=[5])

        def step(self, action):
            assert self.action_space.contains(action), action
            outcome = super().step(int(action[0]) - 4)
            action *= 0
            return outcome

    lengths = FunctionActor(lambda observations, _: np.array([[5], [9]])[-len(observations) :])
    assert len(sample_episodes(vectorized(From5, 2), lengths, 2, SEED).valid) == 2


@pytest.mark.parametrize("parallel", [serial, vectorized])
def test_environments_receive_only_actions_of_their_space(parallel):
    class From5(Corridor):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.Discrete(10, start=5)

        def step(self, action):
            assert self.action_space.contains(action), action
            return super().step(action)

    episodes = sample_episodes(parallel(From5, 4), choose([5, 6, 9]), 2, SEED)
    assert len(episodes.valid) == 2
