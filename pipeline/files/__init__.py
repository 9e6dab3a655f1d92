"""The files that stages leave to one another: where they are, how they are written and read."""
