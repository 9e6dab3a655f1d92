"""Pictures of a task: functions that turn the tables written by the stages into Figures."""
