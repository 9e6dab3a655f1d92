"""Acting with an exported SavedModel: without Keras, TFP or the policy's code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.action import Action
from pipeline.evaluation.graphs import require_policy_graph
from pipeline.task.artifacts import stale_file
from pipeline.task.errors import UserError
from reinforce.sampling.direct_call import direct_call
from reinforce.sampling.protocol import Actor

Signatures = Mapping[str, Any]  # name → compiled function of keyword tensors


def load_signatures(folder: Path, *, trusted: bool = False) -> Signatures:
    """The signatures of a SavedModel.

    Args:
        folder: Where it is.
        trusted: Whether it may hold any operations. Defaults to those of policies alone; see
            `require_policy_graph`.

    Raises:
        UserError: If there is none in `folder`, it is damaged, or it holds other operations.
    """
    try:
        if not trusted:
            require_policy_graph(folder)
        # Each signature keeps the model's variables alive.
        return dict(tf.saved_model.load(str(folder)).signatures)
    except UserError:
        raise
    except Exception as error:  # of damaged files TensorFlow makes many kinds
        first_line = str(error).partition("\n")[0]
        raise stale_file(folder, "a policy's SavedModel", first_line) from error


def split_inputs(signatures: Signatures, observations: np.ndarray) -> dict[str, np.ndarray]:
    """Divide observations `[N, I]` into a policy's inputs, in the order in which it takes them.

    Returns:
        The mask of legal actions, where the policy takes one, and the observations `[N, O]`.
    """
    _, inputs = signatures["serving_default"].structured_input_signature
    if "action_mask" not in inputs:
        return {"observation": observations}
    size = inputs["observation"].shape[-1]
    return {"action_mask": observations[:, size:] > 0, "observation": observations[:, :size]}


class Greedy(Actor):
    """Takes the greedy action (see `Policy.greedy`), with probability 1."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._serve = direct_call(signatures["serving_default"])

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """See `Actor`; nothing is drawn, and the outputs `[N, 0]` say nothing."""
        del seed
        (action,) = self._serve(*split_inputs(self._signatures, observations).values())
        return Action(action, raw_action=action, outputs=np.empty((len(action), 0), np.float32))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        del raw_actions
        return np.zeros(len(outputs), np.float32)


class Sampled(Actor):
    """Draws actions from the policy."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._sample = direct_call(signatures["sample"])

    def act(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """See `Actor`; the outputs `[N, 1]` are the log-probabilities."""
        inputs = split_inputs(self._signatures, observations).values()
        action, log_prob, raw_action = self._sample(*inputs, seed)  # by name
        return Action(action, raw_action, outputs=log_prob[:, np.newaxis])

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        del raw_actions
        return outputs[:, 0]


def distribution_parameters(
    signatures: Signatures, observations: np.ndarray
) -> dict[str, np.ndarray]:
    """The action distribution's parameters, by name `[N]`, at observations `[N, I]`."""
    inputs = split_inputs(signatures, observations)
    parameters = signatures["distribution"](**{n: tf.constant(v) for n, v in inputs.items()})
    return {name: parameters[name].numpy() for name in sorted(parameters, key=_natural)}


def _natural(name: str) -> list[Any]:
    """Sorts by all numbers in a name: `probability_10` and `probability_0_10` behind `…_9`."""
    parts = re.split(r"(-?\d+)", name)  # text and numbers by turns, text first
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
