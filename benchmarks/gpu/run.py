"""Run exported training programs on the device that jaxlib finds.

    python -m benchmarks.gpu export programs --expect    # on any machine with this project
    python benchmarks/gpu/run.py programs/*.hlo          # on the GPU machine; needs jax and NumPy

For each program, print env steps per second (median of several calls), seconds of compilation, peak
device memory and the kernels in each loop of the compiled program. If TensorFlow's outputs were
saved, print the largest difference from them: relative for statistics, absolute for weights and
moments. `--compile-for-h100` compiles for a GPU that is absent, and only counts kernels.
"""

import argparse
import importlib
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_ENABLE_X64", "1")  # actions are int64
os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # compiling needs no driver
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import jax
import numpy as np
from jax._src import xla_bridge
from jax._src.interpreters import mlir
from jax.extend.mlir import hlo_to_stablehlo
from jaxlib import _jax, xla_client
from jaxlib.mlir import ir
from kernels import kernels_of_loops  # type: ignore[import-not-found]  # in this folder

H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: 233472 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  device_vendor: "NVIDIA Corporation" name: "NVIDIA H100 80GB HBM3" dnn_version: "9.10.0"
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
runtime_version { major: 13 minor: 0 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def stablehlo(program: bytes) -> ir.Module:
    """Translate an exported program. Call this and use its result in `mlir.make_ir_context()`.

    TensorFlow's programs contain `copy`, which becomes `mhlo.copy`. Plug-ins accept only StableHLO,
    so copies are replaced by their operands.

    Raises:
        ValueError: If an operation other than `copy` has no StableHLO form.
    """
    module = ir.Module.parse(hlo_to_stablehlo(program))
    copies, others = [], set()

    def visit(operation: Any) -> Any:
        if operation.name == "mhlo.copy":
            copies.append(operation)
        elif operation.name.startswith("mhlo."):
            others.add(operation.name)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    if others:
        raise ValueError(f"expected StableHLO operations, received {sorted(others)}")
    for operation in copies:
        operation.results[0].replace_all_uses_with(operation.operands[0])
        operation.erase()
    return module


class Program:
    """One exported program, compiled for `device`."""

    def __init__(self, path: Path, device: Any) -> None:
        self.facts = json.loads(path.with_suffix(".json").read_text())
        self.saved = np.load(path.with_suffix(".npz"))
        self.device = device
        begun = time.perf_counter()
        with mlir.make_ir_context():
            self.executable = device.client.compile_and_load(
                stablehlo(path.read_bytes()),
                _jax.DeviceList((device,)),
                xla_client.CompileOptions(),
            )
        self.compile_seconds = time.perf_counter() - begun

    def inputs(self) -> list[jax.Array]:
        """Make new inputs, since each call consumes the variables' buffers."""
        captured = [self.saved[f"captured_{i}"] for i in range(self.facts["num_captured"])]
        episodes = [jax.numpy.zeros(shape, dtype) for shape, dtype in self.facts["episodes"]]
        count, given = np.int32(self.facts["num_updates"]), np.bool_(False)
        tables = [self.saved["seeds"], self.saved["learning_rates"]]
        values = [*tables, count, *episodes, given, *captured]
        return jax.block_until_ready([jax.device_put(value, self.device) for value in values])

    def call(self) -> tuple[float, int, list[jax.Array]]:
        """Call the program once; return seconds, env steps and outputs."""
        inputs = self.inputs()
        begun = time.perf_counter()
        results = self.executable.execute_sharded(inputs).disassemble_into_single_device_arrays()
        outputs = [shards[0] for shards in results]
        num_env_steps = int(np.asarray(outputs[0]).sum())  # waits for the call
        return time.perf_counter() - begun, num_env_steps, outputs

    def differences(self, outputs: list[jax.Array]) -> dict[str, float]:
        """Compare with TensorFlow's outputs: the first update's statistics, and the variables."""
        fields, found = self.facts["statistics"], {}
        for field, output in zip(fields, outputs, strict=False):
            expected = self.saved[f"statistic_{field}"][0].astype(float)
            actual = np.asarray(output)[0].astype(float)
            found[field] = float(
                np.max(np.abs(actual - expected) / np.maximum(1, np.abs(expected)))
            )
        changed = [
            self.saved[f"after_{i}"]
            for i in range(self.facts["num_captured"])
            if f"after_{i}" in self.saved
            and not np.array_equal(self.saved[f"after_{i}"], self.saved[f"captured_{i}"])
        ]
        variables = outputs[self.facts["num_outputs"] :]
        if len(variables) == len(changed):
            pairs = zip(variables, changed, strict=True)
            found["variables"] = max(
                float(np.abs(np.asarray(a).astype(float) - b).max()) for a, b in pairs
            )
        return found


def measure(path: Path, device: Any, seconds: float) -> dict[str, Any]:
    """Compile one program, compare its outputs, and time its calls for `seconds`."""
    program = Program(path, device)
    _, num_env_steps, outputs = program.call()
    row = {"name": program.facts["name"], "compile_seconds": program.compile_seconds}
    row |= {key: program.facts[key] for key in ("num_updates", "num_copies", "chunk_size")}
    row["env_steps"] = num_env_steps
    if "statistic_num_env_steps" in program.saved:
        row["env_steps_tensorflow"] = int(program.saved["statistic_num_env_steps"].sum())
        row["differences"] = program.differences(outputs)
    del outputs
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        times.append(program.call()[0])
    row["seconds_per_call"] = statistics.median(times)
    row["env_steps_per_second"] = num_env_steps / row["seconds_per_call"]
    memory = device.memory_stats() or {}
    row["peak_mib"] = memory.get("peak_bytes_in_use", 0) / 2**20
    row["kernels"] = kernels_of_loops(program.executable.hlo_modules()[0].to_string())
    return row


def compile_for_h100(path: Path) -> dict[str, Any]:
    """Compile one program for an absent H100; count kernels."""
    importlib.import_module("jax_plugins.xla_cuda13").initialize()  # of jax[cuda13]
    make_topology = xla_bridge._topology_factories["cuda"]
    topology = make_topology("", target_config=H100, topology="1x1x1")
    devices = topology._make_compile_only_devices()
    begun = time.perf_counter()
    with mlir.make_ir_context():
        executable = devices[0].client.compile(
            stablehlo(path.read_bytes()),
            executable_devices=_jax.DeviceList(tuple(devices[:1])),
            compile_options=xla_client.CompileOptions(),
        )
    return {
        "name": path.stem,
        "compile_seconds": time.perf_counter() - begun,
        "kernels": kernels_of_loops(executable.hlo_modules()[0].to_string()),
    }


def main() -> None:
    """Print a JSON line for the device, then one for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=Path, nargs="+", metavar="NAME.hlo")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="time for each program; default: %(default)s"
    )
    parser.add_argument(
        "--compile-for-h100", action="store_true", help="compile and count kernels; run nothing"
    )
    options = parser.parse_args()
    if not options.compile_for_h100:
        device = jax.devices()[0]
        print(json.dumps({"jax": jax.__version__, "device": device.device_kind}), flush=True)
    for path in options.programs:
        try:
            if options.compile_for_h100:
                row = compile_for_h100(path)
            else:
                row = measure(path, device, options.seconds)
        except Exception as error:  # of one program; still run the rest
            row = {"name": path.stem, "error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
