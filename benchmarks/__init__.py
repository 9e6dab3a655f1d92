"""Measurements of speed and of learning, each a command."""
