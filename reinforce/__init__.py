"""REINFORCE: sampling, returns, baselines, loss, updates and training runs."""
