"""Arithmetic of holes in a series."""

from __future__ import annotations

from collections.abc import Iterable

from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.lake_words import Gap

NOTHING_THERE = "the venue has no candles here"
ASKED_ONCE = "the venue was asked once for candles here, in vain"
UNUSABLE = "the venue's candles here are unusable"
BEFORE_LISTING = "before the venue's first candle"


def opens(gap: Gap, timeframe: Timeframe) -> int:
    """How many candles are missing."""
    return (gap.last_open_ms - gap.first_open_ms) // timeframe.ms + 1


def without(gaps: Iterable[Gap], known: Iterable[Gap], timeframe: Timeframe) -> tuple[Gap, ...]:
    """What is left of `gaps` after the candles of `known` are taken out."""
    left = list(gaps)
    for hole in known:
        left = [piece for gap in left for piece in _cut(gap, hole, timeframe)]
    return tuple(left)


def _cut(gap: Gap, hole: Gap, timeframe: Timeframe) -> list[Gap]:
    if hole.last_open_ms < gap.first_open_ms or hole.first_open_ms > gap.last_open_ms:
        return [gap]
    before: tuple[UtcMs, UtcMs] = (gap.first_open_ms, hole.first_open_ms - timeframe.ms)
    after: tuple[UtcMs, UtcMs] = (hole.last_open_ms + timeframe.ms, gap.last_open_ms)
    return [Gap(first, last, gap.reason) for first, last in (before, after) if first <= last]
