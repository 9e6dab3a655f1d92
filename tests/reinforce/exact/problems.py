"""Problems small enough to be solved exactly, and learners for their policies."""

import keras
import numpy as np
import tensorflow as tf
from gymnasium import spaces

from models.heads import make_head
from models.policy import Policy
from reinforce.baselines import BASELINES
from reinforce.exact.moments import PossibleEpisodes, enumerate_episodes
from reinforce.exact.tabular import TabularMDP, bandit, softmax_policy
from reinforce.learner import Learner


def one_logit_bandit():
    """Create arms A and B with 30% and 70%; π(B) = p is the logistic function of one logit."""
    probabilities = np.array([[0.7, 0.3], [0.3, 0.7]])
    return bandit(np.array([0.0, 1.0]), probabilities, features=np.array([[0.0], [1.0]]))


def three_armed_bandit():
    return bandit(
        np.array([1.0, 0.0, 0.5]), np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])
    )


def stop_or_go(aliased=False, horizon=3):
    """Create two states and an end. Episodes have 1 to 3 steps: some reach the end, some don't."""
    generator = np.random.default_rng(0)
    transitions = np.array(
        [  # to:  0    1    end
            [[0.0, 0.6, 0.4], [1.0, 0.0, 0.0]],
            [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
            [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]],
        ]
    )
    features = generator.normal(size=(3, 2, 3))
    if aliased:
        features[1] = features[0]
    return TabularMDP(
        start=np.array([0.7, 0.3, 0.0]),
        transitions=transitions,
        rewards=generator.normal(size=transitions.shape),
        terminal=np.array([False, False, True]),
        features=features,
        horizon=horizon,
    )


PROBLEMS = {
    "one-logit bandit": one_logit_bandit,
    "three-armed bandit": three_armed_bandit,
    "stop or go": stop_or_go,
    "stop or go, aliased": lambda: stop_or_go(aliased=True),
}


def random_mdp(seed, horizon):
    """Create an MDP with three actions and four states: one is terminal, two are aliased."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(4, 3, 2, 2))
    features[1] = features[0]
    return TabularMDP(
        start=np.append(generator.dirichlet(np.ones(3)), 0.0),
        transitions=generator.dirichlet(np.ones(4), size=(4, 3)),
        rewards=generator.normal(size=(4, 3, 4)),
        terminal=np.array([False, False, False, True]),
        features=features,
        horizon=horizon,
    )


def random_theta(mdp, seed=1):
    values = np.random.default_rng(seed).normal(size=mdp.features.shape[2:])
    return tf.Variable(values, dtype=tf.float64)


def possible_episodes(mdp, theta):
    """Return every episode, with garbage on padding, since nothing may depend on it."""
    probabilities, states, episodes = enumerate_episodes(mdp, softmax_policy(mdp.features, theta))
    padding = ~episodes.valid
    generator = np.random.default_rng(2)
    episodes.observations[padding] = generator.normal(size=episodes.observations[padding].shape)
    episodes.actions[padding] = 1
    episodes.log_probs[padding] = -3
    episodes.rewards[padding] = 100
    return PossibleEpisodes(probabilities, states, episodes)


def linear_policy(mdp, theta):
    """Create a float64 `Policy` whose logits are θ · x(s, a)."""
    num_actions = mdp.features.shape[1]
    features = mdp.features[0].size // num_actions
    network = keras.Sequential(
        [
            keras.layers.Reshape((num_actions, features), dtype="float64"),
            keras.layers.Dense(1, use_bias=False, dtype="float64"),
            keras.layers.Reshape((num_actions,), dtype="float64"),
        ]
    )
    network.build((None, mdp.features[0].size))
    network.set_weights([np.reshape(theta, (-1, 1))])
    head = make_head(spaces.Discrete(num_actions))
    return FeaturePolicy(network, head, mdp.features[0].size)


class FeaturePolicy(Policy):
    """A policy whose observations are features `[B, T, A, …]`."""

    def outputs(self, observations, training=False):
        shape = [*observations.shape[:2], self.observation_size]
        return super().outputs(tf.reshape(observations, shape), training)


def make_learner(mdp, theta, gamma=1.0, baseline=BASELINES["none"], kind=Learner, **options):
    return kind(
        linear_policy(mdp, theta),
        keras.optimizers.SGD(0.1),
        gamma=gamma,
        baseline=baseline,
        **{
            "normalize_advantages": False,
            "entropy_coefficient": 0.0,
            "max_gradient_norm": None,
            "chunk_size": 2,  # so that episodes of three steps are split into two chunks
            **options,
        },
    )


class ExactlyDiscounted(Learner):
    """A learner with the factor γ^t, which is usually omitted from REINFORCE."""

    def advantages(self, episodes):
        advantages = super().advantages(episodes)
        steps = tf.range(tf.shape(advantages)[1])
        return self.gamma ** tf.cast(steps, advantages.dtype) * advantages
