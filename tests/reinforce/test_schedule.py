"""Learning-rate schedules."""

import numpy as np

from reinforce.schedule import EnvStepSchedule, UpdateSchedule


def test_a_schedule_over_updates_knows_all_rates():
    schedule = UpdateSchedule(np.array([3.0, 2.0, 1.0]))
    assert schedule.upcoming(0, 0).tolist() == [3, 2, 1]
    assert schedule.upcoming(2, 10**6).tolist() == [1]
    assert schedule.upcoming(3, 0).size == 0


def test_a_schedule_over_env_steps_knows_the_next_rate_and_ends_when_they_are_reached():
    schedule = EnvStepSchedule(200, lambda progress: 8 - 8 * progress)
    assert schedule.upcoming(0, 0).tolist() == [8]
    assert schedule.upcoming(7, 150).tolist() == [2]
    assert schedule.upcoming(7, 199).size == 1
    assert schedule.upcoming(7, 200).size == schedule.upcoming(7, 201).size == 0
