"""Environments written in TensorFlow, which XLA compiles together with the policy's update."""
