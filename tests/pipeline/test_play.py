"""Playing an exported policy from its folder."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from PIL import Image, ImageSequence

from models.heads import make_head
from models.networks import make_policy_network
from models.policy import Policy
from models.savedmodel import save
from pipeline import play
from pipeline.acting import load
from pipeline.digests import folder_digests
from pipeline.evaluation.exported import distribution_parameters
from pipeline.figures.recording import Limits
from pipeline.process.display import draw_offscreen
from pipeline.task.errors import UserError

REPOSITORY = Path(__file__).parents[2]
CARTPOLE: dict[str, Any] = {"id": "CartPole-v1", "kwargs": {}, "max_episode_steps": 45}


class MadeUp(gymnasium.Env[Any, Any]):
    """An environment with 3 steps per episode and a Dict of 3 + 2 numbers, which can fail.

    Its observations are outside their space, so Gymnasium's checks would warn at each step.
    """

    metadata = {"render_modes": ["rgb_array", "ansi"]}
    observation_space = spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Box(-1, 1, (1, 2))})

    def __init__(self, action_space="discrete", fails="", rewards=(1.0,), render_mode=None):
        assert render_mode in (None, "rgb_array")
        self.action_space = {
            "discrete": spaces.Discrete(2, start=3),
            "multi-discrete": spaces.MultiDiscrete([2, 3], dtype=np.int32),
            "multi-binary": spaces.MultiBinary(4),
            "box of float64": spaces.Box(-1, 1, (2,), np.float64),
        }[action_space]
        self.fails, self.rewards = fails, rewards

    def observe(self):
        return {"a": 1, "b": np.full((1, 2), 1.5, np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.fails == "reset":
            raise RuntimeError("no\nground")
        self.steps = 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action), repr(action)
        assert np.asarray(action).dtype == self.action_space.dtype
        self.steps += 1
        if self.fails == "step" and self.steps == 2:
            raise RuntimeError("the pole broke")
        return self.observe(), self.rewards[0] + 0.0, self.steps == 3, False, {}

    def close(self):
        if self.fails == "close":
            raise SystemExit(0)


made_up: Any = MadeUp
gymnasium.register("MadeUp-v0", made_up, max_episode_steps=10)


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Restore the variables that play sets, and hide the machine's display from the tests."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores it
        monkeypatch.delenv(name)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def environment_of(**entries):
    """Make the environment of spec.json for MadeUp, updated by `entries`."""
    return {"id": "MadeUp-v0", "kwargs": {}, "max_episode_steps": None} | entries


def write_policy(folder, environment, kernel=None):
    """Write a SavedModel without hidden layers, and the part of spec.json that play reads."""
    env: Any = gymnasium.make(environment["id"], **environment["kwargs"])
    size = spaces.flatdim(env.observation_space)
    head = make_head(env.action_space)
    network = make_policy_network(size, [], "tanh", head, np.random.SeedSequence(0))
    if kernel is not None:
        network.trainable_variables[0].assign(kernel)
    save(Policy(network, head, size), folder)
    write_spec(folder, {"environment": environment, "task": "not read"})
    return folder


def write_spec(folder, spec):
    """Write spec.json, with the digests of the other files unless `spec` has digests."""
    (folder / "spec.json").unlink(missing_ok=True)
    spec = {"sha256": folder_digests(folder)} | spec
    (folder / "spec.json").write_text(json.dumps(spec))


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    """Write a policy that pushes to the side where the pole leans; it lasts about 40 steps."""
    kernel = [[0, 0], [0, 0], [0, 20], [0, 0]]
    return write_policy(tmp_path_factory.mktemp("cartpole"), CARTPOLE, kernel)


@pytest.fixture
def copied(cartpole, tmp_path):
    """Copy the policy, for tests to damage."""
    folder = tmp_path / "policy"
    subprocess.run(["cp", "-r", cartpole, folder], check=True)
    return folder


def run(capsys, *arguments):
    play.main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def refusal(capsys, *arguments):
    """Return the message with which play exits at status 1, before the first episode ends."""
    with pytest.raises(SystemExit) as end:
        play.main([str(argument) for argument in arguments])
    assert "episode 1: return" not in capsys.readouterr().out
    message = end.value.code
    assert isinstance(message, str)  # Python exits with status 1
    assert "\n" not in message
    return message


def test_greedy_episodes_follow_the_policys_rule(cartpole, capsys):
    env = gymnasium.make("CartPole-v1", max_episode_steps=45)
    lengths = []
    for episode in range(4):
        observation, _ = env.reset(seed=None if episode else 7)
        ended, length = False, 0
        while not ended:
            action = int(observation[2] > 0)
            observation, _, terminated, truncated, _ = env.step(action)
            ended, length = terminated or truncated, length + 1
        lengths.append(length)
    assert min(lengths) < 45 == max(lengths)  # some fall, some reach the time limit
    lines = [f"episode {i + 1}: return {n}, length {n}" for i, n in enumerate(lengths)]
    mean = f"{np.mean(lengths):.5g}"
    expected = "\n".join([*lines, f"mean: return {mean}, length {mean}"]) + "\n"
    assert run(capsys, cartpole, "--episodes", 4, "--seed", 7) == expected


def test_five_episodes_by_default(cartpole, capsys):
    assert run(capsys, cartpole).count("\n") == 6


def test_a_seed_fixes_sampled_episodes(cartpole, capsys):
    sampled = [run(capsys, cartpole, "--sampled", "--seed", seed) for seed in (3, 3, 4)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert sampled[0] != run(capsys, cartpole, "--seed", 3)


def test_each_action_has_its_own_seed_and_the_dtype_of_its_space():
    seeds = []

    def choose(observations, seed):
        seeds.append(seed)
        return np.ones((len(observations), 2), np.int64)  # MadeUp requires int32

    env: Any = gymnasium.wrappers.FlattenObservation(MadeUp("multi-discrete"))
    assert len(list(play.play_episodes(env, choose, 2, seed=9, name=""))) == 2
    generator = np.random.default_rng([9, 1])
    expected = [generator.integers(-(2**31), 2**31, size=2, dtype=np.int32) for _ in range(6)]
    np.testing.assert_array_equal(seeds, expected)


def test_a_tasks_name_stands_for_its_exported_policy(tmp_path, monkeypatch, capsys, cartpole):
    monkeypatch.chdir(tmp_path)
    Path("data/pole").mkdir(parents=True)
    Path("data/pole/policy").symlink_to(cartpole)
    Path("pole").mkdir()  # holds no policy
    assert run(capsys, "pole") == run(capsys, cartpole)


def test_arguments_of_the_environment_come_from_spec_json(tmp_path, capsys):
    kwargs = {"rewards": ["inf"], "fails": ""}
    folder = write_policy(tmp_path, environment_of(kwargs=kwargs, max_episode_steps=2))
    assert run(capsys, folder, "--episodes", 1).startswith("episode 1: return inf, length 2\n")


@pytest.mark.parametrize("option", [[], ["--sampled"]])
@pytest.mark.parametrize("space", ["discrete", "multi-discrete", "multi-binary", "box of float64"])
def test_actions_have_the_dtype_of_their_space(space, option, tmp_path, capsys, recwarn):
    folder = write_policy(tmp_path, environment_of(kwargs={"action_space": space}))
    recwarn.clear()
    assert "mean: return 3, length 3" in run(capsys, folder, "--episodes", 2, *option)
    assert not recwarn.list


def test_parameters_follow_the_numbers_in_their_names():
    names = ["probability_0_10", "probability_10_0", "probability_0_9", "probability_2_0"]
    signatures = {
        "serving_default": SimpleNamespace(structured_input_signature=((), {"observation": None})),
        "distribution": lambda observation: dict.fromkeys(names, observation),
    }
    assert list(distribution_parameters(signatures, np.zeros(1, np.float32))) == [
        "probability_0_9",
        "probability_0_10",
        "probability_2_0",
        "probability_10_0",
    ]


def command(*arguments, **variables):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "play", *map(str, arguments)],
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


# Pictures ---------------------------------------------------------------------------------------


def test_a_gif_shows_what_is_played(cartpole, tmp_path, capsys):
    gif = tmp_path / "pictures" / "cartpole.gif"
    arguments = (cartpole, "--episodes", 2, "--sampled")
    result = command(*arguments, "--gif", gif)
    assert (result.returncode, result.stderr) == (0, "")
    played = run(capsys, *arguments)
    # A frame for every reset and step, at CartPole's 50 frames per second.
    steps = sum(int(line.rpartition(" ")[2]) for line in played.splitlines()[:2])
    num_frames = steps + 2
    assert result.stdout == f"{played}{gif}: {num_frames} frames, {num_frames * 0.02:g} seconds\n"
    with Image.open(gif) as image:
        assert image.size == (480, 320)  # of 600 × 400
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert sum(durations) == 20 * num_frames
    assert num_frames / 2 < len(durations) <= num_frames  # equal frames are merged
    assert list(gif.parent.iterdir()) == [gif]


@pytest.fixture
def in_this_process(monkeypatch):
    """Load the policy in this process, which is faster and safe where OpenGL isn't used."""
    monkeypatch.setattr(play, "load_in_subprocess", lambda policy: nullcontext(load(policy)))


@pytest.mark.usefixtures("in_this_process")
def test_a_gif_that_was_cut_off_says_so(cartpole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(play, "LIMITS", Limits(max_frames=4))
    printed = run(capsys, cartpole, "--gif", tmp_path / "x.gif")
    assert printed.endswith("4 frames, 0.08 seconds; cut off at the limit of 4 frames\n")


@pytest.mark.usefixtures("in_this_process")
def test_episodes_are_the_same_in_a_window(cartpole, capsys):
    played = run(capsys, cartpole, "--episodes", 1)
    assert run(capsys, cartpole, "--episodes", 1, "--human") == played


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory):
    environment: dict[str, Any] = {
        "id": "InvertedPendulum-v5",
        "kwargs": {},
        "max_episode_steps": 3,
    }
    return write_policy(tmp_path_factory.mktemp("pendulum"), environment)


def test_mujoco_renders_without_a_display_or_warnings(pendulum, tmp_path):
    gif = tmp_path / "pendulum.gif"
    result = command(pendulum, "--episodes", 1, "--gif", gif)
    if "libegl1" in result.stderr:
        pytest.skip("this machine has no EGL")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"{gif}: 4 frames, 0.16 seconds\n")
    with Image.open(gif) as image:
        assert image.size == (480, 480)
        assert len(np.unique(np.array(image.convert("L")))) > 20  # not an empty scene


# Hides libEGL from PyOpenGL, as if it were not installed.
WITHOUT_EGL = """
import ctypes

class CDLL(ctypes.CDLL):
    def __init__(self, name, *arguments, **keywords):
        if "EGL" in str(name):
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")
        super().__init__(name, *arguments, **keywords)

ctypes.CDLL = CDLL
ctypes.cdll = ctypes.LibraryLoader(CDLL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MuJoCo needs EGL only on Linux")
def test_without_egl_it_says_what_to_install(pendulum, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_EGL)
    path = os.pathsep.join(map(str, (REPOSITORY, tmp_path)))
    result = command(pendulum, "--gif", tmp_path / "pendulum.gif", PYTHONPATH=path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("MuJoCo found no OpenGL to render with")
    assert "`apt-get install libegl1`" in result.stderr
    assert "eglQueryString" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "pendulum.gif").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is used only on Linux")
@pytest.mark.parametrize(
    ("display", "chosen", "expected"),
    [({}, {}, "egl"), ({"DISPLAY": ":0"}, {}, None), ({}, {"MUJOCO_GL": "osmesa"}, "osmesa")],
)
def test_egl_is_the_default_without_a_display(display, chosen, expected, monkeypatch):
    for name, value in (display | chosen).items():
        monkeypatch.setenv(name, value)
    draw_offscreen()
    assert os.environ.get("MUJOCO_GL") == expected


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--episodes", "0"], "argument --episodes: expected an integer of at least 1"),
        (["--episodes", "-2"], "argument --episodes: expected an integer of at least 1"),
        (["--seed", "-1"], "argument --seed: expected an integer from 0 to 2147483647"),
        (["--seed", str(2**31)], "argument --seed: expected an integer from 0 to 2147483647"),
        (["--gif", "x.png"], "argument --gif: expected a file name ending in .gif"),
        (["--gif", "x.gif", "--human"], "argument --human: not allowed with argument --gif"),
    ],
)
def test_mistaken_arguments_are_named(arguments, message, cartpole, capsys):
    with pytest.raises(SystemExit) as end:
        play.main([str(cartpole), *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_is_never_replaced_by_a_gif(cartpole, tmp_path, capsys):
    (tmp_path / "x.gif").mkdir()
    with pytest.raises(SystemExit) as end:
        play.main([str(cartpole), "--gif", str(tmp_path / "x.gif")])
    assert end.value.code == 2
    assert "argument --gif: expected a file name" in capsys.readouterr().err


def test_a_mistake_is_reported_before_tensorflow_starts(copied):
    write_spec(copied, {})
    watched = "import sys; from pipeline.play import main\n" + (
        "try: main(sys.argv[1:])\nfinally: assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", watched, str(copied)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    missing = "environment: missing; expected a section with id, kwargs, max_episode_steps"
    assert result.stderr.startswith(f"{copied}/spec.json: {missing}")
    assert result.stderr.count("\n") == 1


def test_an_unknown_task_is_reported_with_the_paths_searched(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert refusal(capsys, "unknown") == (
        "expected the name of a task or the folder of a SavedModel, received 'unknown': no "
        "saved_model.pb in unknown or data/unknown/policy; `dvc repro` exports the policies"
    )
    assert "no saved_model.pb in data/unknown;" in refusal(capsys, "data/unknown")


def test_a_graph_that_writes_files_is_loaded_only_if_it_is_trusted(copied, tmp_path, capsys):
    class Writing(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="observation")])
        def serve(self, observation):
            with tf.control_dependencies([tf.io.write_file(str(tmp_path / "written"), "")]):
                return {"action": tf.argmax(observation[:, 2:3] * [[0.0, 1.0]], axis=1)}

    module = Writing()
    tf.saved_model.save(module, str(copied), signatures=module.serve)
    write_spec(copied, {"environment": CARTPOLE})
    message = refusal(capsys, copied)
    assert message.startswith(f"{copied}: expected a SavedModel with only the operations ")
    assert "'WriteFile'" in message
    assert message.endswith(f"run `python -m pipeline play {copied} --trust`")
    assert not (tmp_path / "written").exists()
    assert "mean: return" in run(capsys, copied, "--trust")
    assert (tmp_path / "written").exists()


def test_a_module_is_imported_only_on_request(copied, tmp_path, monkeypatch, capsys):
    (tmp_path / "stranger.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    write_spec(copied, {"environment": CARTPOLE | {"id": "stranger:CartPole-v1"}})
    assert refusal(capsys, copied) == (
        f"{copied}/spec.json: environment.id: expected the id of an installed environment, "
        "received 'stranger:CartPole-v1', whose module can run any code when it is imported; to "
        "import it, use `--env stranger:CartPole-v1` or --trust"
    )
    assert "stranger" not in sys.modules
    played = run(capsys, copied, "--env", "CartPole-v1")
    assert "stranger" not in sys.modules
    (tmp_path / "data" / "pole").mkdir(parents=True)
    (tmp_path / "data" / "pole" / "policy").symlink_to(copied)
    monkeypatch.chdir(tmp_path)
    for arguments in ([copied, "--env", "stranger:CartPole-v1"], [copied, "--trust"], ["pole"]):
        assert run(capsys, *arguments) == played
        monkeypatch.delitem(sys.modules, "stranger")


def test_a_folder_without_spec_json_is_refused(copied, capsys):
    (copied / "spec.json").unlink()
    assert refusal(capsys, copied).startswith(f"{copied}/spec.json: no such file")


def test_a_damaged_spec_json_is_refused(copied, capsys):
    (copied / "spec.json").write_text('{"environment": ')
    assert f"{copied}/spec.json: expected a JSON object" in refusal(capsys, copied)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            7,
            "environment: expected a section with id, kwargs, max_episode_steps",
        ),
        (CARTPOLE | {"id": None}, "environment.id: expected the id of"),
        (CARTPOLE | {"kwargs": [1]}, "environment.kwargs: expected keyword arguments"),
        (CARTPOLE | {"max_episode_steps": "9"}, "environment.max_episode_steps: expected an int"),
        (CARTPOLE | {"id": "Nowhere-v0"}, "environment: expected the id of an installed"),
        (CARTPOLE | {"kwargs": {"wings": 2}}, "environment: expected keyword arguments that"),
    ],
)
def test_an_invalid_environment_in_spec_json_is_refused(environment, message, copied, capsys):
    write_spec(copied, {"environment": environment})
    assert refusal(capsys, copied).startswith(f"{copied}/spec.json: {message}")


def test_an_unknown_environment_on_the_command_line_is_refused(copied, capsys):
    message = refusal(capsys, copied, "--env", "CartPole-v9")
    assert message.startswith("--env: expected the id of an installed Gymnasium environment")


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        ([], "sha256: expected an object that maps file paths to digests, received []"),
        (None, "sha256: expected an object that maps file paths to digests, received null"),
        ({"x": 1}, "sha256.x: expected 64 hexadecimal digits, a SHA-256 digest, received 1"),
    ],
)
def test_digests_of_another_form_are_refused(digests, message, copied, capsys):
    write_spec(copied, {"environment": CARTPOLE, "sha256": digests})
    assert refusal(capsys, copied) == f"{copied}/spec.json: {message}"


def test_files_of_other_digests_are_refused(copied, capsys):
    (copied / "fingerprint.pb").write_bytes(b"")
    assert refusal(capsys, copied) == (
        f"{copied}: expected the files whose digests are in spec.json, received a missing or "
        "different fingerprint.pb; run `dvc repro` to update it"
    )


@pytest.mark.parametrize("damage", [b"", b"no protocol buffer"])
def test_a_damaged_saved_model_is_refused(damage, copied, capsys):
    (copied / "saved_model.pb").write_bytes(damage)
    write_spec(copied, {"environment": CARTPOLE})
    assert f"{copied}: expected a policy's SavedModel" in refusal(capsys, copied)


def test_damaged_weights_are_refused(copied, capsys):
    (data,) = (copied / "variables").glob("variables.data*")
    data.write_bytes(data.read_bytes()[:-30])
    write_spec(copied, {"environment": CARTPOLE})
    assert f"{copied}: expected a policy's SavedModel" in refusal(capsys, copied)


@pytest.mark.parametrize(("name", "output"), [("x", "action"), ("observation", "y")])
def test_a_saved_model_that_is_no_policy_is_refused(name, output, copied, capsys):
    class Doubling(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name=name)])
        def serve(self, values):
            return {output: 2 * values}

    module = Doubling()
    tf.saved_model.save(module, str(copied), signatures=module.serve)
    write_spec(copied, {"environment": CARTPOLE})
    assert refusal(capsys, copied, "--trust") == (
        f"{copied}: expected a policy's SavedModel, with a signature serving_default from "
        f"observation to action, received one with a signature serving_default from {name} to "
        f"{output}"
    )
    assert refusal(capsys, copied, "--trust", "--sampled").endswith(
        "with a signature sample from observation to action, received one with serving_default"
    )


def test_a_policy_of_other_observations_is_refused(copied, capsys):
    write_spec(copied, {"environment": CARTPOLE | {"id": "Acrobot-v1"}})
    assert refusal(capsys, copied) == (
        f"{copied}: expected a policy for observations of shape [6] (Acrobot-v1), received one "
        "for observations of shape [4]"
    )


def test_a_policy_of_other_actions_is_refused(copied, capsys):
    write_spec(copied, {"environment": CARTPOLE | {"id": "InvertedPendulum-v5"}})
    assert refusal(capsys, copied) == (
        f"{copied}: expected a policy for actions of shape [1] (InvertedPendulum-v5), received "
        "one for actions of shape []"
    )


def test_a_policy_that_does_not_fit_is_refused_in_a_subprocess_too(copied, capsys, tmp_path):
    write_spec(copied, {"environment": CARTPOLE | {"id": "Acrobot-v1"}})
    gif = tmp_path / "x.gif"
    assert "expected a policy for observations of shape [6]" in refusal(
        capsys, copied, "--gif", gif
    )
    assert not gif.exists()


@pytest.mark.parametrize(
    ("space", "action"),
    [
        (spaces.Discrete(2), np.array([7])),
        (spaces.Discrete(2), np.array([np.nan])),
        (spaces.Box(-2, 2, (1,)), np.array([[2.5]])),
        (spaces.Box(-2, 2, (1,)), np.array([[np.nan]])),
    ],
)
def test_an_action_outside_its_space_is_the_policys_fault(space, action):
    env: Any = gymnasium.make("CartPole-v1")
    env.action_space = space
    with pytest.raises(UserError) as raised:
        list(play.play_episodes(env, lambda *_: action, 1, seed=0, name="CartPole-v1"))
    assert str(raised.value) == (
        f"CartPole-v1: episode 1, step 1: expected an action in {space}, received {action[0]} from "
        "the policy"
    )


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_an_observation_that_is_not_finite_is_the_environments_fault(number, monkeypatch):
    env: Any = gymnasium.make("CartPole-v1", disable_env_checker=True)
    monkeypatch.setattr(env.unwrapped, "step", lambda _: ([0, number, 0, 0], 1, False, False, {}))
    message = "^CartPole-v1: episode 1, step 2: expected a finite observation, received .*(nan|inf)"
    with pytest.raises(UserError, match=message):
        list(play.play_episodes(env, lambda *_: np.array([0]), 1, seed=0, name="CartPole-v1"))


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        ("reset", "MadeUp-v0: episode 1, reset: RuntimeError: no ground"),
        ("step", "MadeUp-v0: episode 1, step 2: RuntimeError: the pole broke"),
    ],
)
def test_an_environment_that_fails_is_named_with_episode_and_step(fails, message, tmp_path, capsys):
    folder = write_policy(tmp_path, environment_of(kwargs={"fails": fails}))
    assert refusal(capsys, folder) == message


def test_errors_in_close_are_ignored(tmp_path, capsys):
    folder = write_policy(tmp_path, environment_of(kwargs={"fails": "close"}))
    assert "episode 1: return 3" in run(capsys, folder, "--episodes", "1")


def test_missing_render_modes_are_refused(tmp_path, capsys, recwarn):
    bandit: dict[str, Any] = {"id": "Bandit-v0", "kwargs": {}, "max_episode_steps": None}
    folder = write_policy(tmp_path / "bandit", bandit)
    assert refusal(capsys, folder, "--gif", tmp_path / "x.gif") == (
        "Bandit-v0: cannot be rendered: it has no render mode"
    )
    folder = write_policy(tmp_path / "other", bandit | {"id": "MadeUp-v0"})
    assert refusal(capsys, folder, "--human") == (
        "MadeUp-v0: cannot be rendered: it has no render mode human, only rgb_array, ansi"
    )
    assert not [warning for warning in recwarn if "render" in str(warning.message)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need no DISPLAY")
def test_a_window_without_a_display_is_refused(cartpole, monkeypatch, capsys):
    monkeypatch.delenv("SDL_VIDEODRIVER")
    assert refusal(capsys, cartpole, "--human").startswith("--human: expected a display")


@pytest.mark.usefixtures("in_this_process")
def test_an_environment_without_a_picture_is_refused(tmp_path, monkeypatch, capsys):
    # MadeUp declares the render mode rgb_array, but its render() returns None.
    monkeypatch.setattr(MadeUp, "render", lambda self: None)
    folder = write_policy(tmp_path / "policy", environment_of(kwargs={"render_mode": "rgb_array"}))
    assert refusal(capsys, folder, "--gif", tmp_path / "x.gif") == (
        "MadeUp-v0: episode 1, reset: expected render() to return a uint8 array [height, width, "
        "3], received NoneType"
    )
    assert not (tmp_path / "x.gif").exists()
