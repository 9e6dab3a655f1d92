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
    "evaluate": {"num_episodes": 50},
}


def write_params(folder: Path, **tasks: Any) -> Path:
    """Write a params.yaml with these tasks; the gradient noise of each is measured."""
    path = folder / "params.yaml"
    with path.open("w") as file:
        variance = {name: {"num_runs": 2, "num_batches": 10} for name in tasks}
        params = {"seed": SEED, "num_workers": 1, "variance": variance, "tasks": tasks}
        YAML(typ="safe").dump(params, file)
    return path
