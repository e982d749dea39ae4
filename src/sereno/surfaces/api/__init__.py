"""The HTTP API, read only."""
