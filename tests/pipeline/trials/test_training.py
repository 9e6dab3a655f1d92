"""Training with changed parameters in one process."""

from types import SimpleNamespace

import pytest

from pipeline.trials.training import final_return


@pytest.mark.parametrize(("num_updates", "expected"), [(1, 0), (9, 8), (20, 18.5), (29, 27.5)])
def test_the_final_return_is_the_mean_of_the_last_tenth_of_the_updates(num_updates, expected):
    # Update u has the mean return u: of 20 updates the last two are averaged, (18 + 19) / 2.
    records = [SimpleNamespace(mean_return=float(update)) for update in range(num_updates)]
    assert final_return(records) == expected  # type: ignore[arg-type]
