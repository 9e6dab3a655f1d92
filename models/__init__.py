"""Keras models: networks, action distributions, and the exported module."""
