"""What people and programs see: the command line, the API, the metrics."""
