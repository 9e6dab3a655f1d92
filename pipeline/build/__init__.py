"""From a task to its policy, its learner, and what samples its episodes."""
