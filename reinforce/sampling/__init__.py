"""Sampling of complete episodes, in copies of a Gymnasium environment or in an XLA program."""
