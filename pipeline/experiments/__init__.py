"""Experiments side by side: git revisions, what differs between them, and in what words."""
