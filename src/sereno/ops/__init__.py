"""The table of jobs, the runner, the scheduler, and the one place that opens doors."""
