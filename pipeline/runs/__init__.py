"""The independent runs of a task: worker processes, checkpoints, progress."""
