"""A task: its section of params.yaml, checked; its seeds; its files."""
