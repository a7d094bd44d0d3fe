"""Tasks: one object per kind of question, which says everything that depends on what a task is."""
