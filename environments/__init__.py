"""Environments and their compiled versions, independent of tasks, parameters and files."""
