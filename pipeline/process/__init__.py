"""The process that runs a command: starting TensorFlow, handling signals, exiting."""
