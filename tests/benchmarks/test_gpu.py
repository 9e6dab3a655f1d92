"""The export of the training program, and the kernel count of compiled programs."""

import json

import numpy as np

from benchmarks.gpu.__main__ import export_program
from benchmarks.gpu.kernels import kernels_of_loops
from reinforce.records import UpdateStatistics
from reinforce.tuning import GPU


def test_a_program_is_exported_with_inputs_and_outputs(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.__main__.MAX_UPDATES", 2)
    export_program(tmp_path, "CartPole-v1", "untrained", 4, GPU, expect=True)
    facts = json.loads((tmp_path / "cartpole-untrained-4.json").read_text())
    arrays = np.load(tmp_path / "cartpole-untrained-4.npz")
    assert b"TensorScatterUpdate" in (tmp_path / "cartpole-untrained-4.hlo").read_bytes()
    assert facts["num_updates"] == 2
    assert facts["num_copies"] == 4
    assert facts["episodes"][0] == [[4, 500, 4], "float32"]
    assert arrays["seeds"].shape == (2, 2)
    assert set(UpdateStatistics._fields) == {
        name.removeprefix("statistic_") for name in arrays if name.startswith("statistic_")
    }
    # Rewards are 1, so returns are numbers of steps.
    lengths = arrays["statistic_num_env_steps"] / 4
    np.testing.assert_allclose(arrays["statistic_mean_return"], lengths, rtol=1e-6)
    changed = [
        not np.array_equal(arrays[f"captured_{i}"], arrays[f"after_{i}"])
        for i in range(facts["num_captured"])
    ]
    # Two layers of 64 and one of 2, each a kernel and a bias; two moments of each; the step count
    # and the learning rate.
    assert sum(changed) == 6 * 3 + 2


PROGRAM = """\
HloModule example

%body (p: (s32[])) -> (s32[]) {
  %p = (s32[]) parameter(0)
  %i = s32[] get-tuple-element((s32[]) %p), index=0
  %next = s32[] fusion(s32[] %i), kind=kLoop, calls=%added
  ROOT %result = (s32[]) tuple(s32[] %next)
}

%condition (p.1: (s32[])) -> pred[] {
  %p.1 = (s32[]) parameter(0)
  ROOT %compared = pred[] fusion((s32[]) %p.1), kind=kLoop, calls=%less
}

ENTRY %main (x: s32[]) -> (s32[]) {
  %x = s32[] parameter(0)
  %begin = (s32[]) tuple(s32[] %x)
  ROOT %loop = (s32[]) while((s32[]) %begin), condition=%condition, body=%body, \
metadata={op_name="jit(f)/sampling"}, backend_config={"known_trip_count":{"n":"16"}}
}
"""


def test_kernels_are_counted_by_loop():
    # The fusions of body and condition. Parameters and tuples are not kernels.
    assert kernels_of_loops(PROGRAM) == {"sampling (16 iterations)": 2}
