"""How soon environments are solved: seconds, env steps and episodes, run by run.

A run is solved at the first update after which the mean return of separate evaluation episodes
reaches the threshold. Evaluation is not counted. Each environment is trained in a process of its
own, which starts, imports and compiles once for all of its runs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from benchmarks import report
from pipeline.artifacts import TaskFiles, stack_weights
from pipeline.params import EnvParams, EvaluateParams, PolicyParams, RolloutParams, TaskParams
from pipeline.params import TrainParams, VarianceParams
from pipeline.environments.specification import inspect_environment
from pipeline.stage import Task, load_task, one_message, start_tensorflow

if TYPE_CHECKING:
    from models.policy import Policy
    from pipeline.reinforce.sampling import Act

PARAMS = Path("params.yaml")
COMMAND = "python -m benchmarks.time_to_solve"


@dataclass(frozen=True)
class Criterion:
    """When a task counts as solved."""

    threshold: float  # of the mean return
    greedy: bool  # how the policy acts
    num_episodes: int  # that are averaged
    every: int  # so many updates
    max_env_steps: int  # after which a run is given up


CRITERIA = {
    "cartpole": Criterion(475, False, 100, 1, 200_000),
    "inverted_pendulum": Criterion(950, True, 20, 1, 300_000),
    "pendulum": Criterion(-200, True, 100, 10, 3_000_000),
}
