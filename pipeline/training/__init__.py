"""What accompanies a training: checkpoints, the lock on them, and its live scalars."""
