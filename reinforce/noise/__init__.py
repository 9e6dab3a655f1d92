"""Gradient noise: the variation of the gradient estimate between batches, for each baseline."""
