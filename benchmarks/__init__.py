"""Commands that measure speed and learning."""

from pipeline.process.start import start_tensorflow

start_tensorflow()  # as in the stages: before a module of this package imports TensorFlow
