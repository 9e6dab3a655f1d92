"""Sizes tuned for a CPU and a GPU."""

import pytest

from reinforce.tuning import CPU, GPU, tuned_for, tuning


@pytest.mark.parametrize(
    ("num_episodes", "cpu", "gpu"),
    [
        (1, 1, 1),
        (16, 16, 16),  # √16 / 4 = 1 round
        (64, 32, 64),  # √64 / 4 = 2 rounds
        (65_536, 1_024, 65_536),  # √65536 / 4 = 64 rounds
        (100_000, 1_266, 50_000),  # √100000 / 4 ≈ 79 rounds; 2 rounds of up to 65,536
    ],
)
def test_episodes_are_sampled_in_rounds_of_copies(num_episodes, cpu, gpu):
    assert (CPU.num_copies(num_episodes), GPU.num_copies(num_episodes)) == (cpu, gpu)


def test_the_sizes_depend_on_the_device():
    assert tuning() is CPU  # these tests need no GPU
    with tuned_for(GPU):
        assert tuning() is GPU
    assert tuning() is CPU


def test_a_gpu_that_tensorflow_lists_gets_its_sizes(monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda kind: [kind])
    assert tuning() is GPU
