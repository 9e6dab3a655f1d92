"""Exact results for problems small enough to be written out as tables. No stage uses them."""
