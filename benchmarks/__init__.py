"""Measurements of speed and of learning, each a command."""

from pipeline.process.start import start_tensorflow

start_tensorflow()  # as the stages do, before a module of this package can import it otherwise
