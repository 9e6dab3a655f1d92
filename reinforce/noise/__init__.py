"""The noise of the gradient: how it varies from batch to batch, with each baseline."""
