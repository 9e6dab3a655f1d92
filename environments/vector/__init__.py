"""Parallel copies of a Gymnasium environment."""
