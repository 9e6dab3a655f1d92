"""The truth about problems that are small enough to be written out; no stage needs it."""
