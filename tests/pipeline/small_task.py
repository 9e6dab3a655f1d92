"""A small task in a temporary folder, for the tests of the stages."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SEED = 5
BANDIT: dict[str, Any] = {
    "num_runs": 2,
    "env": {"id": "Bandit-v0", "backend": "gymnasium"},
    "policy": {"hidden_sizes": [], "activation": "tanh"},
    "rollout": {"num_episodes": 6},
    "train": {
        "num_episodes": 40,
        "episodes_per_update": 4,
        "gamma": 1.0,
        "optimizer": "adam",
        "learning_rate": 0.05,
        "baseline": "leave_one_out",
        "normalize_advantages": False,
        "entropy_coefficient": 0.0,
        "max_gradient_norm": None,
    },
    "variance": {"num_runs": 2, "num_batches": 10},
    "evaluate": {"num_episodes": 50},
}


def write_params(folder: Path, **tasks: Any) -> Path:
    """Write a params.yaml with these tasks."""
    path = folder / "params.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump({"seed": SEED, "num_workers": 1, "tasks": tasks}, file)
    return path
