"""The training program on a GPU: TensorFlow exports it, and jaxlib runs it."""
