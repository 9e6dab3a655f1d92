"""Count the kernels of a compiled program in its XLA text; needs only Python."""

import re

NOT_KERNELS = {"bitcast", "call", "conditional", "constant", "get-tuple-element", "parameter"}
NOT_KERNELS |= {"tuple", "while"}


def kernels_of_loops(text: str) -> dict[str, int]:
    """Count the kernels in one iteration of each loop of an optimized program.

    Nested loops do not count. A loop has its name in TensorFlow, with its number of iterations if
    the compiler knows it.
    """
    computations: dict[str, list[tuple[str, str]]] = {}  # name → operations and their lines
    for line in text.splitlines():
        if opened := re.match(r"^(?:ENTRY )?%?([\w.-]+) .*\{$", line):
            operations = computations.setdefault(opened[1], [])
        elif found := re.match(r"^\s+(?:ROOT )?%?[\w.-]+ = .*?\s([a-z][a-z0-9-]*)\(", line):
            operations.append((found[1], line))

    def kernels(computation: str) -> int:
        total = 0
        for operation, line in computations[computation]:
            if operation == "call":
                total += sum(map(kernels, re.findall(r"to_apply=%?([\w.-]+)", line)))
            total += operation not in NOT_KERNELS
        return total

    loops = {}
    for operation, line in (entry for body in computations.values() for entry in body):
        if operation == "while":
            names = re.findall(r'op_name="[^"/]*/([^"]+)"', line)
            counts = re.findall(r'known_trip_count":\{"n":"(\d+)"', line)
            condition, body = re.findall(r"(?:condition|body)=%?([\w.-]+)", line)
            label = " ".join([*(names or [body]), *(f"({n} iterations)" for n in counts)])
            loops[label] = kernels(body) + kernels(condition)
    return loops
