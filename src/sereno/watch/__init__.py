"""Checks over what the desk recorded, and the channels that carry alerts."""
