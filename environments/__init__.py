"""Environments: what a policy acts in. Knows nothing of tasks, parameters or files."""
