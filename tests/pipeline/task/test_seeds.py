"""Random streams."""

import itertools

import pytest

from pipeline.task.seeds import Purpose, stream


def test_every_seed_purpose_run_and_update_has_its_own_stream():
    arguments = itertools.product([0, 1, 2**32 - 1], Purpose, range(3), range(3))
    states = [tuple(stream(*each).generate_state(4)) for each in arguments]
    assert len(set(states)) == 3 * len(Purpose) * 3 * 3


def test_the_same_arguments_give_the_same_stream():
    one, two = (stream(1, Purpose.TRAINING, 2, 3).generate_state(4) for _ in range(2))
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize("purpose", Purpose)
def test_purposes_are_never_renumbered(purpose):
    numbers = {"INITIAL_WEIGHTS": 0, "ROLLOUT": 1, "TRAINING": 2}
    numbers |= {
        "GREEDY_EVALUATION": 3,
        "SAMPLED_EVALUATION": 4,
        "INITIAL_VALUE_WEIGHTS": 5,
        "VARIANCE": 6,
        "TUNING": 7,
    }
    assert numbers[purpose.name] == purpose.value
