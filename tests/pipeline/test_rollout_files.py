"""The files of stage `rollout`."""

import tracemalloc

import numpy as np

from pipeline.rollout_files import _stack
from reinforce.episodes import Episodes


def episodes(num_steps):
    """Make two episodes with 1,000 nonzero numbers per step."""
    shape = (2, num_steps)
    numbers, flags = np.ones(shape, np.float32), np.ones(shape, bool)
    observations = np.ones((*shape, 1000), np.float32)
    return Episodes._make([observations, *[numbers] * 3, *[flags] * 3, observations[:, 0]])


def test_runs_are_padded_to_the_longest_and_copied_once():
    runs = [episodes(50), episodes(80), episodes(70)]
    tracemalloc.start()
    stacked = _stack(runs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * sum(field.nbytes for field in stacked)
    *of_steps, final_observations = stacked
    assert final_observations.shape == (3, 2, 1000)
    for field in of_steps:
        assert field.shape[:3] == (3, 2, 80)
        for run, num_steps in enumerate((50, 80, 70)):
            assert field[run, :, :num_steps].all()
            assert not field[run, :, num_steps:].any()
