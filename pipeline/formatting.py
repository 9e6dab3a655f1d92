"""Formatting of numbers, and of tables for the terminal."""

from collections.abc import Sequence


def number(value: float) -> str:
    """Format with three significant digits, or as an integer from 100 on: 0.703, −146, 1,000."""
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return digits.replace("-", "−")


def with_interval(value: float, low: float | None, high: float | None) -> str:
    """Format an estimate and its interval, if there is one: `−146 [−153, −140]`."""
    if low is None or high is None:
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row of cells, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
