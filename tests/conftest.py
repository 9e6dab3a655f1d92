"""Starts TensorFlow as the stages do, before any test imports it."""

from pipeline.stage import start_tensorflow

start_tensorflow()
