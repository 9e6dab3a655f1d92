"""Tables for `benchmarks.throughput`."""

from collections.abc import Sequence
from typing import Any

from benchmarks import report


def print_throughput(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rates, then the cost of an env step by the size of an update."""
    print(
        report.aligned_table(
            [
                *("backend", "policy", "steps per episode", "episodes per update", "processes"),
                *("sampling, steps/s", "iteration, steps/s", "ceiling, steps/s", "share"),
                *("compilation, s", "peak memory, MiB"),
            ],
            [
                [
                    *(row["backend"], row["policy"], f"{row['mean_length']:.0f}"),
                    *(f"{row['num_episodes']:,}", f"{row['num_processes']}"),
                    *(f"{row[name]:,.0f}" for name in ("sampling", "iteration", "ceiling")),
                    *(f"{row['share']:.0%}", f"{row['compilation_seconds']:.1f}"),
                    f"{row['memory_mib']:,.0f}",
                ]
                for row in rows
            ],
        )
    )
    sizes = sorted({row["num_episodes"] for row in rows})
    kinds = list(dict.fromkeys(map(_backend_and_policy, rows)))
    costs = {(*_backend_and_policy(row), row["num_episodes"]): row for row in rows}

    def cost(*key: Any) -> str:
        return f"{1e6 / costs[key]['iteration']:.2f}" if key in costs else ""

    print("\nµs per env step of an iteration, by episodes per update")
    print(
        report.aligned_table(
            ["backend", "policy", *(f"{size:,}" for size in sizes)],
            [[*kind, *(cost(*kind, size) for size in sizes)] for kind in kinds],
        )
    )
    for kind in kinds:
        of_kind = [row for row in rows if _backend_and_policy(row) == kind]
        if (memory := memory_per_episode(of_kind)) is not None:
            print(f"memory per episode of an update, {' '.join(kind)}: {memory:.0f} KiB")


def memory_per_episode(rows: Sequence[dict[str, Any]]) -> float | None:
    """Compute the peak memory per episode in KiB, from the two largest updates.

    Returns None for fewer than two.
    """
    ordered = sorted(rows, key=lambda row: row["num_episodes"])[-2:]
    if len(ordered) < 2:
        return None
    small, large = ordered
    grown = large["memory_mib"] - small["memory_mib"]
    return 1024 * grown / (large["num_episodes"] - small["num_episodes"])


def _backend_and_policy(row: dict[str, Any]) -> tuple[str, str]:
    return row["backend"], row["policy"]
