"""Policies that are functions."""

import numpy as np

from models.action import Action

LOG_PROB = -0.5  # of every action


class Choosing:
    """Takes the actions that a function of observations `[N, O]` and seed chooses.

    Args:
        choose: Returns the actions, or them and the raw actions that they came from.
        outputs: Of the policy, in every state.
    """

    def __init__(self, choose, outputs=0.0):
        self.choose, self.outputs = choose, outputs

    def act(self, observations, seed):
        chosen = self.choose(observations, seed)
        action, raw_action = chosen if isinstance(chosen, tuple) else (chosen, chosen)
        outputs = np.full((len(observations), 1), self.outputs, np.float32)
        return Action(action, raw_action, outputs)

    def log_prob(self, outputs, raw_actions):
        assert len(outputs) == len(raw_actions)
        return np.full(len(outputs), LOG_PROB, np.float32)
