"""The stages of the pipeline, `python -m pipeline <stage> <task>`, and what they are made of."""
