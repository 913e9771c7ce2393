"""The service of the paper: which of several servers runs a task at the least energy."""
