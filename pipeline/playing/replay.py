"""Recording an episode in one process and replaying it in another, which renders it.

Recording needs the policy and therefore TensorFlow. TensorFlow takes seconds to start, and crashes
next to Mesa's OpenGL drivers (see `acting.load_in_subprocess`). Replaying needs neither.

T is the number of the episode's env steps.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from environments.randomness import seed_global_generators
from pipeline.playing.environments import Environment, choose_action, prefix_errors, take_step
from pipeline.task.artifacts import Table
from pipeline.task.errors import UserError

SEED = 0  # the default of `play`, which can therefore show the same episode in full
RELATIVE_TOLERANCE = 1e-6  # of rewards; the table has nine digits


def record(env: Environment, choose: Callable[[np.ndarray], np.ndarray], name: str) -> Table:
    """Play and record one episode with seed `SEED`.

    Args:
        env: The environment, with flattened observations.
        choose: The policy: observations `[1, O]` float32 → actions `[1, *action_shape]`.
        name: The environment's name in error messages.

    Returns:
        A row for each step, with its reward and its flattened action; see `column_names`.

    Raises:
        UserError: If the environment or the policy raises anything, an observation is not finite,
            or an action is not in the action space.
    """
    actions: list[list[Any]] = []
    rewards, ended = [], False
    with prefix_errors(f"{name}: reset"):
        seed_global_generators(SEED)
        observation, _ = env.reset(seed=SEED)
    while not ended:
        with prefix_errors(f"{name}: step {len(actions) + 1}"):
            action = choose_action(env, choose, observation)
            actions.append(np.ravel(action).tolist())
            observation, reward, ended = take_step(env, action)
        rewards.append(reward)
    # Python numbers are written with all digits, so that an action at a float64 bound stays in it.
    columns = [np.array(rewards), *np.array(actions, object).T]
    return dict(zip(column_names(env.action_space), columns, strict=True))


def column_names(space: spaces.Space[Any]) -> list[str]:
    """Return the columns of a recorded episode, for an action space."""
    return ["reward", *(f"action_{i}" for i in range(math.prod(space.shape or ())))]


def replay(env: Environment, episode: Table, name: str, show: Callable[[], None]) -> None:
    """Repeat the actions of a recorded episode, from the same seed.

    Args:
        env: The environment of the recording; it may render.
        episode: The recording, as `record` returns it.
        name: The environment's name in error messages.
        show: Called after the reset and after each step.

    Raises:
        UserError: If the rewards or the length differ from the recording, or the environment or
            `show` raises anything.
    """
    with prefix_errors(f"{name}: the recorded episode"):
        actions, rewards = _actions(episode, env.action_space), episode["reward"].astype(float)
    with prefix_errors(f"{name}: reset"):
        seed_global_generators(SEED)
        env.reset(seed=SEED)
        show()
    for step, (action, recorded) in enumerate(zip(actions, rewards, strict=True), start=1):
        with prefix_errors(f"{name}: step {step}"):
            _, reward, ended = take_step(env, action)
            show()
        if not np.isclose(reward, recorded, rtol=RELATIVE_TOLERANCE, atol=1e-6):
            _raise_mismatch(name, step, f"the reward {recorded:.9g}", f"{reward:.9g}")
        if ended != (step == len(rewards)):
            _raise_mismatch(
                name, step, f"an end after {len(rewards)} steps", "no end or an earlier one"
            )


def _actions(episode: Table, space: spaces.Space[Any]) -> np.ndarray:
    """Return the recorded actions, [T, *action_shape], in the dtype of the action space."""
    _, *names = column_names(space)
    actions = np.stack([episode[name] for name in names], axis=1)
    return actions.reshape(-1, *(space.shape or ())).astype(space.dtype)


def _raise_mismatch(name: str, step: int, recorded: str, received: str) -> None:
    raise UserError(
        f"{name}: step {step}: expected {recorded}, as recorded with the same seed and actions, "
        f"received {received}; the environment is not reproducible"
    )
