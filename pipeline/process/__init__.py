"""The process that runs a command: TensorFlow's start, signals, and how a command ends."""
