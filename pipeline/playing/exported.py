"""Acting with an exported SavedModel: TensorFlow alone, no Keras and none of the policy's code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.action import Action
from pipeline.files.artifacts import out_of_step, read_json
from pipeline.files.digests import folder_digests
from pipeline.reinforce.direct_call import direct_call
from pipeline.reinforce.sampling import Act

Signatures = Mapping[str, Any]  # name → compiled function of keyword tensors


def load_signatures(folder: Path) -> Signatures:
    """The signatures of a SavedModel.

    Raises:
        UserError: If there is none in `folder`, or it is damaged.
    """
    _require_whole(folder)
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError, IndexError, tf.errors.OpError) as error:
        # IndexError is TensorFlow's for a file of weights that ends too early.
        first_line = str(error).splitlines()[0]
        raise out_of_step(folder, "a policy's SavedModel", first_line) from error
    return dict(model.signatures)  # each keeps the model's variables alive


def _require_whole(folder: Path) -> None:
    """Raises UserError unless the files are those whose digests the spec.json beside them has."""
    if not (folder / "spec.json").exists():
        return
    digests = read_json(folder / "spec.json", []).get("sha256", {})
    found = folder_digests(folder)
    if differing := [name for name, digest in digests.items() if found.get(name) != digest]:
        received = f"another {differing[0]}, or none"
        raise out_of_step(folder, "the files that spec.json has the digests of", received)


def greedy(signatures: Signatures) -> Act:
    """Takes the greedy action (see `Policy.greedy`), with probability 1."""
    serve = direct_call(signatures["serving_default"])

    def act(observations: np.ndarray, seed: np.ndarray) -> Action:
        del seed  # nothing is drawn
        (action,) = serve(observations)
        return Action(action=action, raw_action=action, log_prob=np.zeros(len(observations), "f4"))

    return act


def sampled(signatures: Signatures) -> Act:
    """Draws actions from the policy."""
    sample = direct_call(signatures["sample"])

    def act(observations: np.ndarray, seed: np.ndarray) -> Action:
        action, log_prob, raw_action = sample(observations, seed)  # by name
        return Action(action=action, raw_action=raw_action, log_prob=log_prob)

    return act


def distribution_parameters(
    signatures: Signatures, observations: np.ndarray
) -> dict[str, np.ndarray]:
    """The action distribution's parameters, by name `[N]`, at observations `[N, O]`."""
    parameters = signatures["distribution"](observation=tf.constant(observations))
    return {name: parameters[name].numpy() for name in sorted(parameters, key=_natural)}


def _natural(name: str) -> list[Any]:
    """Sorts by all numbers in a name: `probability_10` and `probability_0_10` behind `…_9`."""
    parts = re.split(r"(-?\d+)", name)  # text and numbers by turns, text first
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
