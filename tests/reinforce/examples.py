"""Small examples of policies, baselines, learners and batches of episodes."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from environments.make import make_compiled
from environments.specification import inspect_environment
from models.heads import make_head
from models.networks import make_policy_network, make_value_network
from models.policy import Policy
from reinforce.baselines import BASELINES
from reinforce.episodes import Episodes
from reinforce.learner import Learner
from reinforce.value import ValueBaseline

SEED = np.random.SeedSequence(3)
DEFAULTS: dict[str, Any] = {
    "gamma": 1.0,
    "baseline": BASELINES["none"],
    "normalize_advantages": False,
    "entropy_coefficient": 0.0,
    "max_gradient_norm": None,
}


def make_policy(action_space, observation_size=1, hidden_sizes=(), normalizer=None, seed=0):
    head = make_head(action_space)
    entropy = np.random.SeedSequence(seed)
    network = make_policy_network(observation_size, hidden_sizes, "tanh", head, entropy, normalizer)
    return Policy(network, head, observation_size)


def make_environment(
    env_id, hidden_sizes=(8,), max_episode_steps=None, normalizer=None, seed=3, **kwargs
):
    """Create a compiled environment and a policy for it."""
    specification = inspect_environment(env_id, kwargs, max_episode_steps)
    space, size = specification.action_space, specification.observation_size
    return make_compiled(specification), make_policy(space, size, hidden_sizes, normalizer, seed)


def make_value(
    size=1,
    hidden_sizes=(),
    optimizer=None,
    *,
    steps_per_update=1,
    normalize_targets=False,
    chunk_size=1,
    normalizer=None,
):
    def make_network(seed):
        return make_value_network(size, hidden_sizes, "tanh", seed, normalizer)

    return ValueBaseline(
        make_network,
        optimizer or keras.optimizers.SGD(0.1),
        steps_per_update=steps_per_update,
        normalize_targets=normalize_targets,
        chunk_size=chunk_size,
    )


def make_learner(policy, optimizer=None, **changed):
    return Learner(policy, optimizer or keras.optimizers.SGD(0.1), **(DEFAULTS | changed))


def make_episodes(observations, actions, rewards, valid=None):
    """Create episodes `[B, T, …]` from nested lists; all end in terminal states."""
    rewards = np.array(rewards, np.float32)
    observations, actions = np.array(observations, np.float32), np.array(actions)
    observations = observations.reshape(*rewards.shape, -1)
    return Episodes(
        observations=observations,
        actions=actions.astype(np.float32) if actions.dtype == np.float64 else actions,
        log_probs=np.zeros_like(rewards),
        rewards=rewards,
        terminated=np.zeros(rewards.shape, bool),
        truncated=np.zeros(rewards.shape, bool),
        valid=np.ones(rewards.shape, bool) if valid is None else np.array(valid),
        final_observations=np.zeros_like(observations[:, 0]),
    )


def random_episodes(policy, num_episodes, num_steps, seed=0):
    generator = np.random.default_rng(seed)
    valid = np.arange(num_steps) < generator.integers(1, num_steps + 1, num_episodes)[:, None]
    valid[0] = True
    shape = (num_episodes, num_steps)
    head = policy.head
    if head.action_dtype == tf.int64:
        actions = generator.integers(head.start, head.start + head.num_actions, shape)
    else:
        actions = generator.normal(size=(*shape, *head.action_shape)).astype(np.float32)
    observations = generator.normal(size=(*shape, policy.observation_size))
    rewards = generator.normal(size=shape)
    return make_episodes(observations, actions, rewards, valid)


def pad_with_garbage(episodes):
    """Add five steps of padding, and fill all padding with garbage."""
    padded = episodes.map_steps(
        lambda values: np.pad(values, [(0, 0), (0, 5)] + [(0, 0)] * (values.ndim - 2))
    )
    padded.rewards[~padded.valid] = 1e3
    padded.observations[~padded.valid] = -7
    return padded
