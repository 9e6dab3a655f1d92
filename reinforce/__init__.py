"""REINFORCE: episodes, returns, baselines, loss, sampling and the compiled update."""
