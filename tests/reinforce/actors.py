"""Policies given by functions."""

import numpy as np

from models.action import Action

LOG_PROB = -0.5  # of every action


class FunctionActor:
    """A policy whose actions are chosen by a function of observations `[N, O]` and a generator.

    Args:
        choose: Returns the actions, or a tuple of actions and raw actions.
        outputs: The policy's outputs in every state.
    """

    def __init__(self, choose, outputs=0.0):
        self.choose, self.outputs = choose, outputs

    def begin(self, generator):
        self.generator = generator

    def act(self, observations):
        chosen = self.choose(observations, self.generator)
        action, raw_action = chosen if isinstance(chosen, tuple) else (chosen, chosen)
        outputs = np.full((len(observations), 1), self.outputs, np.float32)
        return Action(action, raw_action, outputs)

    def log_prob(self, outputs, raw_actions):
        assert len(outputs) == len(raw_actions)
        return np.full(len(outputs), LOG_PROB, np.float32)
