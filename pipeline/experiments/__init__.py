"""Comparison of experiments: read git revisions, find their differences and describe them."""
