"""Environments written in TensorFlow, for XLA to compile together with the policy's update."""
