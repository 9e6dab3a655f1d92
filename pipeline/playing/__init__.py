"""Exported policies in Gymnasium's environments: loaded, played, recorded and replayed."""
