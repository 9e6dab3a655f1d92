"""Copies of one Gymnasium environment that are stepped together."""
