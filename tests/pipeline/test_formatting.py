"""Formatting of numbers."""

import pytest

from pipeline.formatting import number, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.70312, "0.703"),
        (0.7, "0.700"),
        (5, "5.00"),
        (99.94, "99.9"),
        (99.96, "100"),
        (146.4, "146"),
        (-146.6, "−147"),
        (1234.5, "1,234"),
        (0, "0.00"),
        (0.0000123, "1.23e−05"),
    ],
)
def test_three_significant_digits_or_an_integer(value, text):
    assert number(value) == text


def test_an_estimate_with_and_without_its_interval():
    assert with_interval(0.5, 0.25, 0.75) == "0.500 [0.250, 0.750]"
    assert with_interval(0.5, None, None) == "0.500"
