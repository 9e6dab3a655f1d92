"""Actors that use an exported SavedModel, without Keras, TFP or the policy's code."""

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
from reinforce.sampling.seeds import draw_seeds

Signatures = Mapping[str, Any]  # name → compiled function that takes tensors by keyword


def load_signatures(folder: Path, *, trusted: bool = False) -> Signatures:
    """Load the signatures of a SavedModel.

    Args:
        folder: The SavedModel's folder.
        trusted: Whether any operations are allowed. By default, only the operations of policies
            are; see `require_policy_graph`.

    Raises:
        UserError: If `folder` holds no SavedModel, a damaged one, or one with other operations.
    """
    try:
        if not trusted:
            require_policy_graph(folder)
        # Each signature keeps the model's variables alive, so the model itself may go.
        return dict(tf.saved_model.load(str(folder)).signatures)
    except UserError:
        raise
    except Exception as error:  # TensorFlow raises many kinds for damaged files
        first_line = str(error).partition("\n")[0]
        raise stale_file(folder, "a policy's SavedModel", first_line) from error


def split_inputs(signatures: Signatures, observations: np.ndarray) -> dict[str, np.ndarray]:
    """Split observations `[N, I]` into a policy's inputs, in the order of its arguments.

    Returns:
        The mask of legal actions, if the policy takes one, and the observations `[N, O]`.
    """
    _, inputs = signatures["serving_default"].structured_input_signature
    if "action_mask" not in inputs:
        return {"observation": observations}
    size = inputs["observation"].shape[-1]
    return {"action_mask": observations[:, size:] > 0, "observation": observations[:, :size]}


class Greedy(Actor):
    """An actor that always takes the greedy action (see `Policy.greedy`)."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._serve = direct_call(signatures["serving_default"])

    def begin(self, generator: np.random.Generator) -> None:
        """Do nothing: greedy actions need no randomness."""

    def act(self, observations: np.ndarray) -> Action:
        """See `Actor`. Nothing is sampled, and the outputs `[N, 0]` are empty."""
        (action,) = self._serve(*split_inputs(self._signatures, observations).values())
        return Action(action, raw_action=action, outputs=np.empty((len(action), 0), np.float32))

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        del raw_actions
        return np.zeros(len(outputs), np.float32)


class Sampled(Actor):
    """An actor that samples actions from the policy."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._sample = direct_call(signatures["sample"])

    def begin(self, generator: np.random.Generator) -> None:
        """See `Actor`."""
        self._seeds = draw_seeds(generator)

    def act(self, observations: np.ndarray) -> Action:
        """See `Actor`. The outputs `[N, 1]` are the log-probabilities."""
        return self.sample(observations, next(self._seeds))

    def sample(self, observations: np.ndarray, seed: np.ndarray) -> Action:
        """Sample actions as `act` does, with a stateless seed `[2]` int32."""
        inputs = split_inputs(self._signatures, observations).values()
        action, log_prob, raw_action = self._sample(*inputs, seed)  # sorted by name
        return Action(action, raw_action, outputs=log_prob[:, np.newaxis])

    def log_prob(self, outputs: np.ndarray, raw_actions: np.ndarray) -> np.ndarray:
        """See `Actor`."""
        del raw_actions
        return outputs[:, 0]


def distribution_parameters(
    signatures: Signatures, observations: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the action distribution's parameters at observations `[N, I]`: name → `[N]`."""
    inputs = split_inputs(signatures, observations)
    parameters = signatures["distribution"](**{n: tf.constant(v) for n, v in inputs.items()})
    return {name: parameters[name].numpy() for name in sorted(parameters, key=_natural)}


def _natural(name: str) -> list[Any]:
    """Return a sort key that compares numbers by value: `mean_10` follows `mean_9`."""
    parts = re.split(r"(-?\d+)", name)  # alternately text and number, beginning with text
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]
