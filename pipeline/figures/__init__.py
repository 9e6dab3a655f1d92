"""The pictures of a task, each a function from the tables that the stages wrote to a Figure."""
