"""One copy of an environment, played step by step: made, drawn, recorded and replayed."""
