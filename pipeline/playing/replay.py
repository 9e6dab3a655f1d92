"""An episode, recorded where the policy is and played again where pictures are drawn.

The policy needs TensorFlow, which ends in a segmentation fault beside Mesa's OpenGL drivers (see
`acting.load_in_subprocess`), and takes seconds to start. What it did needs neither.

T is the number of the episode's env steps.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from environments.randomness import seed_global_generators
from pipeline.playing.environments import Environment, choose_action, naming, take_step
from pipeline.task.artifacts import Table
from pipeline.task.errors import UserError

SEED = 0  # as `play` has it where it is told no other: there the same episode can be seen whole
RELATIVE_TOLERANCE = 1e-6  # of rewards, which the table has with nine digits


def record(env: Environment, choose: Callable[[np.ndarray], np.ndarray], name: str) -> Table:
    """Plays one episode from `SEED`.

    Args:
        env: The environment, with observations as vectors.
        choose: The policy: observations `[1, O]` float32 → actions `[1, *action_shape]`.
        name: What the environment is called in messages.

    Returns:
        A row for each step: its reward, and its action flattened; see `column_names`.

    Raises:
        UserError: If the environment or the policy raises anything, an observation is not finite,
            or an action is not in its space.
    """
    actions: list[list[Any]] = []
    rewards, ended = [], False
    with naming(f"{name}: reset"):
        seed_global_generators(SEED)
        observation, _ = env.reset(seed=SEED)
    while not ended:
        with naming(f"{name}: step {len(actions) + 1}"):
            action = choose_action(env, choose, observation)
            actions.append(np.ravel(action).tolist())
            observation, reward, ended = take_step(env, action)
        rewards.append(reward)
    # As Python's numbers, which are written with all their digits: a float64 may be a bound.
    columns = [np.array(rewards), *np.array(actions, object).T]
    return dict(zip(column_names(env.action_space), columns, strict=True))


def column_names(space: spaces.Space[Any]) -> list[str]:
    """The columns of a recorded episode, for a space of actions."""
    return ["reward", *(f"action_{i}" for i in range(math.prod(space.shape or ())))]


def replay(env: Environment, episode: Table, name: str, show: Callable[[], None]) -> None:
    """Takes the actions of a recorded episode once more, from the same seed.

    Args:
        env: The environment in which it was recorded; it may draw.
        episode: As `record` returns it.
        name: What the environment is called in messages.
        show: Called after the reset and after each step.

    Raises:
        UserError: If rewards or the episode's end are others than were recorded, or the environment
            or `show` raises anything.
    """
    with naming(f"{name}: the recorded episode"):
        actions, rewards = _actions(episode, env.action_space), episode["reward"].astype(float)
    with naming(f"{name}: reset"):
        seed_global_generators(SEED)
        env.reset(seed=SEED)
        show()
    for step, (action, recorded) in enumerate(zip(actions, rewards, strict=True), start=1):
        with naming(f"{name}: step {step}"):
            _, reward, ended = take_step(env, action)
            show()
        if not np.isclose(reward, recorded, rtol=RELATIVE_TOLERANCE, atol=1e-6):
            _refuse(name, step, f"the reward {recorded:.9g}", f"{reward:.9g}")
        if ended != (step == len(rewards)):
            _refuse(name, step, f"an end after {len(rewards)} steps", "none or an earlier one")


def _actions(episode: Table, space: spaces.Space[Any]) -> np.ndarray:
    """The actions, [T, *action_shape], as the environment takes them."""
    _, *names = column_names(space)
    actions = np.stack([episode[name] for name in names], axis=1)
    return actions.reshape(-1, *(space.shape or ())).astype(space.dtype)


def _refuse(name: str, step: int, recorded: str, received: str) -> None:
    raise UserError(
        f"{name}: step {step}: expected {recorded}, as when the episode was recorded from the same "
        f"seed and actions, received {received}: the environment does not repeat itself"
    )
