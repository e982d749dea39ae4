"""Sereno: a machine-learning trading desk that runs around the clock on one Linux host."""

__version__ = "0.1.0"
