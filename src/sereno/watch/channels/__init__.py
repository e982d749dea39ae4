"""Doors through which alerts leave."""
