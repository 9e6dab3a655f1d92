"""A single environment, played step by step, with errors turned into messages."""

import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

from environments.faults import (
    CopyFault,
    close_quietly,
    raising,
    require_flags,
    require_numbers,
)
from environments.randomness import seed_global_generators
from environments.specification import EnvironmentSpecification
from pipeline.task.errors import USER_ERRORS, UserError

DEFAULT_RATE = 30.0  # frames per second, if the environment does not specify them
# Modules and packages in which MuJoCo's rendering fails if there is no OpenGL.
OPENGL = {"mujoco", "OpenGL", "glfw", "gymnasium.envs.mujoco.mujoco_rendering"}

Environment = gymnasium.Env[Any, Any]


def make_environment(specification: EnvironmentSpecification, mode: str | None) -> Environment:
    """Make an environment with flattened observations.

    Args:
        specification: The environment to make.
        mode: Gymnasium's `render_mode`. None: no rendering.

    Raises:
        UserError: If the environment fails or does not have this render mode.
    """
    arguments = {
        **specification.kwargs,
        "max_episode_steps": specification.max_episode_steps,
        "disable_env_checker": True,  # its warnings are for authors of environments
    }
    arguments.pop("render_mode", None)
    with prefix_errors(specification.id):
        seed_global_generators(0)
        env = gymnasium.make(specification.id, **arguments)
        if mode is not None:
            close_quietly(env)
            modes = env.metadata.get("render_modes") or []
            if mode not in modes:
                raise UserError(
                    f"cannot be rendered: it has no render mode {mode}, only {', '.join(modes)}"
                    if modes
                    else "cannot be rendered: it has no render mode"
                )
            seed_global_generators(0)
            env = gymnasium.make(specification.id, render_mode=mode, **arguments)
    return specification.with_vectors(env)


def choose_action(
    env: Environment, choose: Callable[[np.ndarray], np.ndarray], observation: Any
) -> Any:
    """Choose an action with a policy, in the dtype of the action space.

    Args:
        env: The environment, with flattened observations.
        choose: The policy: observations `[1, O]` float32 → actions `[1, *action_shape]`.
        observation: The current observation, `[O]`.

    Returns:
        An action for `env.step`: a NumPy scalar if the action space is Discrete, else an array.

    Raises:
        CopyFault: If the observation is not numeric or has another shape.
        UserError: If the observation is not finite, or the action is not in the action space.
    """
    with np.errstate(over="ignore"):
        numbers = require_numbers(
            "the observation", observation, env.observation_space.shape or (), None
        )
        observations = numbers.astype(np.float32)[np.newaxis]  # [1, O]
    if not np.isfinite(observations).all():
        raise UserError(f"expected a finite observation, received {observations[0]}")
    received, space = choose(observations), env.action_space
    if np.isfinite(received).all():  # else it may not convert to the space's dtype
        action = received.astype(space.dtype, copy=False)[0]
        if space.contains(action):
            return action
    raise UserError(f"expected an action in {space}, received {received[0]} from the policy")


def take_step(env: Environment, action: Any) -> tuple[Any, float, bool]:
    """Take a step.

    Returns:
        The observation, the reward, and whether the episode has ended.

    Raises:
        CopyFault: If the reward is not a number, or `terminated` or `truncated` is not a flag.
    """
    observation, reward, terminated, truncated, _ = env.step(action)
    ends = [
        require_flags(name, flag, (), None)
        for name, flag in [("terminated", terminated), ("truncated", truncated)]
    ]
    return observation, float(require_numbers("the reward", reward, (), None)), bool(any(ends))


def picture_rate(env: Environment) -> float:
    """Return the environment's frames per second."""
    rate = env.metadata.get("render_fps")
    return float(rate) if isinstance(rate, int | float) and 0 < rate < math.inf else DEFAULT_RATE


@contextmanager
def prefix_errors(prefix: str) -> Iterator[None]:
    """Turn any exception into a UserError with this prefix while the context is open."""

    def prefixed(error: BaseException) -> UserError:
        causes = list(_causes(error))
        if any(map(_is_of_opengl, causes)):
            return UserError(
                "MuJoCo found no OpenGL to render with: without a display, it needs MUJOCO_GL=egl "
                "and EGL (Debian, Ubuntu: `apt-get install libegl1`), or MUJOCO_GL=osmesa and "
                f"libosmesa6. Received {type(causes[-1]).__name__}: {causes[-1]}"
            )
        text = " ".join(str(error).split())
        expected = isinstance(error, (*USER_ERRORS, CopyFault))
        kind = "" if expected else f"{type(error).__name__}: "
        return UserError(f"{prefix}: {kind}{text}")

    with raising(prefixed):
        yield


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_of_opengl(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    modules = {str(frame.f_globals.get("__name__")) for frame, _ in frames}
    return not OPENGL.isdisjoint(modules | {module.partition(".")[0] for module in modules})
