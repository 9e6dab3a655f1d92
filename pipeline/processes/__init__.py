"""How a stage runs: its command, its worker processes, signals, and what ends it."""
