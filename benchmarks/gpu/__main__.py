"""Export the compiled training program, for `benchmarks/gpu/run.py` to run on another machine.

`CompiledTrainer`'s program is one XLA program, so it can run without TensorFlow. Each program is
written as three files: NAME.hlo, the program before XLA optimizes it; NAME.npz, its inputs and,
with `--expect`, the outputs that TensorFlow computes on this machine; and NAME.json, their shapes.
The sizes are for a GPU (`reinforce/tuning.py`) unless `--tuning cpu` is given.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks.networks import make_measured_policy
from environments.make import make_compiled
from environments.specification import inspect_environment
from pipeline.process.arguments import count
from pipeline.process.messages import exit_with_message
from reinforce.baselines import BASELINES
from reinforce.learner import Learner
from reinforce.records import UpdateStatistics
from reinforce.sampling.compiled import empty_episodes, stateless_seeds
from reinforce.train import CompiledTrainer
from reinforce.tuning import CPU, GPU, Tuning, tuned_for

ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1", "InvertedPendulum-v5")
EPISODES = (8, 512, 4096, 65_536)
EPISODES_PER_CALL, MAX_UPDATES = 8192, 64  # maxima of one call, but at least one update
TUNINGS = {"cpu": CPU, "gpu": GPU}


def export_program(
    folder: Path, env_id: str, kind: str, num_episodes: int, sizes: Tuning, expect: bool
) -> None:
    """Write one program with its inputs and, if `expect` is set, TensorFlow's outputs.

    Args:
        folder: The folder to write to.
        env_id: A Gymnasium id with a compiled environment.
        kind: See `make_measured_policy`.
        num_episodes: B, episodes per update.
        sizes: The program's sizes. The outputs are computed in chunks for a CPU.
        expect: Whether to compute outputs.
    """
    with tuned_for(sizes):
        trainer, inputs = _make_program(env_id, kind, num_episodes)
        concrete = trainer.program.get_concrete_function()
        # With deterministic operations, TensorFlow requires a global seed to export a program.
        tf.random.set_seed(0)
        program = trainer.program.experimental_get_compiler_ir(*inputs)(stage="hlo_serialized")
    captured = _captured(trainer)
    arrays = {"seeds": inputs[0].numpy(), "learning_rates": inputs[1].numpy()}
    arrays |= {f"captured_{i}": value.numpy() for i, value in enumerate(captured)}
    if expect:
        with tuned_for(sizes._replace(chunk_size=CPU.chunk_size)):
            reference, inputs = _make_program(env_id, kind, num_episodes)
            statistics, _ = reference.program(*inputs)
        arrays |= {f"statistic_{field}": v.numpy() for field, v in statistics._asdict().items()}
        arrays |= {f"after_{i}": value.numpy() for i, value in enumerate(_captured(reference))}
    name = f"{env_id.split('-')[0].lower()}-{kind}-{num_episodes}"
    facts = {
        "name": name,
        "num_updates": int(inputs[2]),
        "num_copies": sizes.num_copies(num_episodes),
        "chunk_size": sizes.chunk_size,
        "episodes": [[spec.shape.as_list(), spec.dtype.name] for spec in inputs[3]],
        "statistics": UpdateStatistics._fields,
        "num_outputs": len(concrete.outputs),
        "num_captured": len(captured),
    }
    (folder / f"{name}.hlo").write_bytes(program)
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")


def _make_program(
    env_id: str, kind: str, num_episodes: int
) -> tuple[CompiledTrainer, tuple[Any, ...]]:
    """Make a trainer, and the arguments for one call of its program."""
    keras.utils.clear_session()
    specification = inspect_environment(env_id, {})
    policy = make_measured_policy(specification, kind)
    learner = Learner(
        policy,
        keras.optimizers.Adam(1.0),  # the program sets the learning rate
        gamma=0.99,
        baseline=BASELINES["per_step"],
        normalize_advantages=True,
        entropy_coefficient=0.0,
        max_gradient_norm=None,
    )
    num_updates = max(1, min(MAX_UPDATES, EPISODES_PER_CALL // num_episodes))
    environment = make_compiled(specification)
    trainer = CompiledTrainer(learner, environment, num_episodes, updates_per_call=num_updates)
    seeds = stateless_seeds([np.random.SeedSequence([2, i]) for i in range(num_updates)])
    rates = tf.fill([num_updates], 0.0 if kind == "balancing" else 1e-3)
    episodes = empty_episodes(
        policy, num_episodes, environment.max_episode_steps, with_final_observations=False
    )
    return trainer, (seeds, rates, tf.constant(num_updates), episodes, tf.constant(False))


def _captured(trainer: CompiledTrainer) -> list[tf.Variable | tf.Tensor]:
    """List the variables and tensors that the program captures, in its order."""
    concrete = trainer.program.get_concrete_function()
    variables = {id(variable.handle): variable for variable in concrete.variables}
    return [variables.get(id(tensor), tensor) for tensor in concrete.captured_inputs]


def main(arguments: list[str] | None = None) -> None:
    """Write the programs that the options select."""
    command = "python -m benchmarks.gpu"
    parser = argparse.ArgumentParser(prog=command, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="export")
    export = commands.add_parser("export", description=__doc__)
    export.add_argument("folder", type=Path)
    export.add_argument("--env", nargs="+", default=ENVIRONMENTS, metavar="ID")
    export.add_argument("--policy", choices=["untrained", "balancing"], default="untrained")
    export.add_argument("--episodes", nargs="+", type=count, default=EPISODES, metavar="B")
    export.add_argument("--tuning", choices=TUNINGS, default="gpu", help="default: %(default)s")
    export.add_argument("--expect", action="store_true", help="save TensorFlow's outputs, too")
    options = parser.parse_args(arguments)
    with exit_with_message(command):
        options.folder.mkdir(parents=True, exist_ok=True)
        programs = [(env_id, episodes) for env_id in options.env for episodes in options.episodes]
        for env_id, num_episodes in tqdm(programs, unit=" programs"):
            export_program(
                options.folder,
                env_id,
                options.policy,
                num_episodes,
                TUNINGS[options.tuning],
                options.expect,
            )


if __name__ == "__main__":
    main()
