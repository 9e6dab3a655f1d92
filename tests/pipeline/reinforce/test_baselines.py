"""Baselines, held against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reinforce.baselines import BASELINES, leave_one_out, none, per_step

# Three episodes of 3, 2 and 1 steps; 0 after the end.
RETURNS = np.array([[6.0, 4.0, 2.0], [3.0, 1.0, 0.0], [9.0, 0.0, 0.0]])


def test_none_is_zero():
    np.testing.assert_array_equal(none(tf.constant(RETURNS)), np.zeros((3, 3)))


def test_leave_one_out_is_the_mean_of_the_others_at_step_0():
    # (3 + 9) / 2 = 6; (6 + 9) / 2 = 7.5; (6 + 3) / 2 = 4.5.
    np.testing.assert_allclose(leave_one_out(tf.constant(RETURNS)), [[6.0], [7.5], [4.5]])


def test_per_step_counts_an_episode_that_has_ended_as_zero():
    # Step 1: (1 + 0) / 2, (4 + 0) / 2, (4 + 1) / 2. Step 2: (0 + 0) / 2, (2 + 0) / 2, (2 + 0) / 2.
    # Over the episodes that still run alone it would be 1, 4, 2.5 and nan, 2, 2.
    expected = [[6.0, 0.5, 0.0], [7.5, 2.0, 1.0], [4.5, 2.5, 1.0]]
    np.testing.assert_allclose(per_step(tf.constant(RETURNS)), expected)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_no_baseline_sees_the_episode_that_it_judges(name):
    # Whatever happens in episode 1, what it is compared with stays the same.
    other = RETURNS.copy()
    other[1] = [100, -50, 7]
    before = tf.broadcast_to(BASELINES[name](tf.constant(RETURNS)), (3, 3))
    after = tf.broadcast_to(BASELINES[name](tf.constant(other)), (3, 3))
    np.testing.assert_allclose(before[1], after[1])


@pytest.mark.parametrize("baseline", [leave_one_out, per_step])
@pytest.mark.parametrize("num_episodes", [2, 3, 7, 11, 16])
def test_equal_episodes_have_an_advantage_of_exactly_zero(baseline, num_episodes):
    # In float32 the plain (sum − own) / (B − 1) misses 99.34 by a rounding error for B = 7 and 11,
    # which normalising would blow up to a full-sized gradient on a solved task.
    returns = tf.fill((num_episodes, 5), tf.constant(99.342957, tf.float32))
    np.testing.assert_array_equal(returns - baseline(returns), np.zeros((num_episodes, 5)))
