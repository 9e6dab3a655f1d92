"""Building the policy, the learner and the sampler of a task."""
