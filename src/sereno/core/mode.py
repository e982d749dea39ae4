"""The three ways in which a desk can run; nothing falls back from one to another."""

from enum import StrEnum


class Mode(StrEnum):
    """`sim`: simulated venue and clock. `paper`: real data, our own fills. `live`: real orders."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"
