"""Evaluation of exported policies: play episodes, tabulate them and compute metrics."""
