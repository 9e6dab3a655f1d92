"""Damages to the cache of compiled programs: each process still ends with the right bits."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NUM_DAMAGES = 200
# Prints a result, and how many programs were compiled rather than read.
SCRIPT = """
from pipeline.process import xla_cache
from pipeline.process.start import start_tensorflow
start_tensorflow()
import tensorflow as tf

@tf.function(jit_compile=True, autograph=False)
def program(x):
    return tf.reduce_sum(tf.sin(x) @ tf.cos(x))

result = program(tf.reshape(tf.range(10_000.0), [100, 100])).numpy().tobytes().hex()
new = [path for path in xla_cache._private.glob("*.pb") if path.stat().st_nlink == 1]
print(result, len(new))
"""


def start(cache):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"XLA_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def outcome(process):
    output, _ = process.communicate()
    assert process.returncode == 0
    result, num_compiled = output.split()
    return result, int(num_compiled)


def cut(path, generator):
    os.truncate(path, generator.randrange(path.stat().st_size))


def flip(path, generator):
    content = bytearray(path.read_bytes())
    for _ in range(generator.choice([1, 1, 1, 400])):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


def empty(path, _):
    path.write_bytes(b"")


def make_foreign(path, generator):
    """Replace the program by random bytes with the right digest, but under another name."""
    path.with_name(path.name.replace("compile", "foreign")).write_bytes(generator.randbytes(1000))
    path.unlink()


def make_unreadable(path, _):
    path.unlink()
    path.symlink_to("/proc/self/mem")


def unseal(path, _):
    path.rename(path.with_suffix(""))


def test_random_damages(tmp_path):
    generator = random.Random(0)
    expected, num_compiled = outcome(start(tmp_path))
    assert num_compiled == 1
    assert outcome(start(tmp_path)) == (expected, 0)
    for number in range(NUM_DAMAGES):
        (program,) = tmp_path.glob("*/*.pb.*")
        damage = generator.choice([cut, flip, empty, make_foreign, make_unreadable, unseal])
        damage(program, generator)
        processes = [start(tmp_path) for _ in range(1 + number % 2)]  # sometimes two writers
        outcomes = [outcome(process) for process in processes]
        assert {result for result, _ in outcomes} == {expected}, damage
        assert outcomes[0][1] or outcomes[-1][1], damage
        if len(processes) == 2:  # both may have kept the program
            assert outcome(start(tmp_path)) == (expected, 0)
