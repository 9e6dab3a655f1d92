"""SavedModels of policies without hidden layers, for the tests of what plays them."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from models.heads import make_head
from models.network import make_policy_network
from models.policy import Policy
from models.servable import save

CARTPOLE: dict[str, Any] = {"id": "CartPole-v1", "kwargs": {}, "max_episode_steps": 45}
# Pushes to the side to which the pole leans.
LEANING = [[0, 0], [0, 0], [0, 20], [0, 0]]


def write_policy(folder: Path, environment: dict[str, Any], kernel: Any = None) -> Path:
    """Writes a SavedModel without hidden layers, and the part of spec.json that play reads."""
    env: Any = gymnasium.make(environment["id"], **environment["kwargs"])
    size = spaces.flatdim(env.observation_space)
    head = make_head(env.action_space)
    network = make_policy_network(size, [], "tanh", head, np.random.SeedSequence(0))
    if kernel is not None:
        network.trainable_variables[0].assign(kernel)
    save(Policy(network, head, size), folder)
    write_spec(folder, {"environment": environment, "task": "not read"})
    return folder


def write_spec(folder: Path, spec: dict[str, Any]) -> None:
    (folder / "spec.json").write_text(json.dumps(spec))
