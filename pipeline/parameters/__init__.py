"""params.yaml: its fields, the rules between them, and the mistakes in it."""
