"""Training killed at random moments, which must give the same bits as without kills."""

import os
import random
import signal
import time

import pytest

from tests.pipeline.resuming import TASKS, prepared, start_training, trained

pytestmark = pytest.mark.slow

NUM_KILLS = 25  # of each backend
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Long enough for some kills to hit the training and not only TensorFlow's start.
NUM_EPISODES = {"compiled": 4 * 256 * 10, "gymnasium": 4 * 150}


@pytest.fixture(scope="module", params=TASKS)
def attacked(request, tmp_path_factory):
    """Yield a task, its folder, its results without kills, and the time range of checkpoints."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp(request.param)
        monkeypatch.chdir(folder)
        train = TASKS[request.param]["train"] | {"num_episodes": NUM_EPISODES[request.param]}
        task = prepared(folder, request.param, train=train)
        expected = trained(task)
        started = time.monotonic()
        process = start_training(folder, request.param)
        runs = folder / task.checkpoints / "runs"
        while not list(runs.glob("?.npz")):
            assert process.poll() is None
            time.sleep(0.01)
        begin = time.monotonic() - started
        assert process.wait() == 0
        yield task, folder, expected, (begin, time.monotonic() - started)


@pytest.mark.parametrize("seed", range(NUM_KILLS))
def test_a_kill_at_any_moment_changes_no_bit(seed, attacked):
    task, folder, expected, (begin, end) = attacked
    generator = random.Random(seed)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        for path in (task.files.final_weights, task.files.learning_curve):
            path.unlink(missing_ok=True)
        # One kill in five may hit any moment, including TensorFlow's start.
        moment = generator.uniform(0 if seed % 5 == 0 else begin, end)
        process = start_training(folder, task.name, num_workers=generator.choice([1, 2]))
        time.sleep(moment)
        sent = generator.choice(SIGNALS)
        if process.poll() is None:
            os.kill(process.pid, sent)
        process.communicate()
        print(f"{task.name}: {sent.name} after {moment:.1f} s, exit status {process.returncode}")
        if process.returncode == 0:  # it had already finished
            assert not task.checkpoints.exists()
        assert trained(task) == expected
        assert not (folder / "checkpoints" / task.name).exists()
