"""Training with changed parameters in one process, without stages: commands `try` and `tune`."""
