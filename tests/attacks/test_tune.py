"""Searches that are killed, and searches that share a file."""

import random
import time

import pytest

pytest.importorskip("optuna")

from tests.pipeline.test_tune import TUNE, start, write

pytestmark = pytest.mark.slow

NUM_CANDIDATES = 40
SECONDS = (3.0, 15.0)  # until a kill


def finished(process):
    """Wait for a search; return what it printed, without the seconds."""
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return [line.partition("; ")[0] for line in out.splitlines()]


def test_killed_searches_go_on_to_the_same_result_with_any_number_of_workers(tmp_path):
    generator = random.Random(0)
    results = []
    for num_workers, num_kills in ((1, 0), (2, 0), (2, 3)):
        folder = tmp_path / f"{num_workers} workers, {num_kills} kills"
        folder.mkdir()
        write(folder, num_workers=num_workers, **TUNE)
        for _ in range(num_kills):
            with start(folder, "--trials", str(NUM_CANDIDATES)) as process:
                time.sleep(generator.uniform(*SECONDS))
                process.kill()
        results.append(finished(start(folder, "--trials", str(NUM_CANDIDATES))))
    assert results[0] == results[1] == results[2]


def test_processes_share_a_search(tmp_path):
    write(tmp_path, num_workers=1, **TUNE)
    with start(tmp_path, "--trials", str(NUM_CANDIDATES)) as killed:
        time.sleep(SECONDS[1])
        several = [start(tmp_path, "--trials", str(NUM_CANDIDATES)) for _ in range(2)]
        time.sleep(SECONDS[0])
        killed.kill()
    for process in several:
        finished(process)
    # One of them may have ended while the other still trained, or before the other was killed.
    first = finished(start(tmp_path, "--trials", str(NUM_CANDIDATES)))[0]
    num_candidates = int(first.split()[2].rstrip(","))
    assert NUM_CANDIDATES <= num_candidates < NUM_CANDIDATES + 2
