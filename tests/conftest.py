"""Starts TensorFlow as the stages do, before any test imports it."""

from pipeline.processes.stage import start_tensorflow

start_tensorflow()
