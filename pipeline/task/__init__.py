"""A task: its validated parameters from params.yaml, its seeds and its files."""
