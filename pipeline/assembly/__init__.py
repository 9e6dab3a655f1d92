"""From the parameters of a task: its policy, its learner, and where its episodes come from."""
