"""The equity curve: drawn where it moved, told where it did not."""

from __future__ import annotations

from sereno.core.timeframe import HOUR_MS
from sereno.ops.curve import curve
from tests.surfaces.seeded import NOW_MS


def test_an_account_that_never_moved_is_told_not_drawn() -> None:
    still = curve([(NOW_MS - HOUR_MS, 10_000.0), (NOW_MS, 10_000.0)])
    assert "<svg" not in still
    assert "stood at 10,000.00 from 2024-06-01 11:00 to 2024-06-01 12:00" in still
    assert "<svg" not in curve([])
    assert "<svg" not in curve([(NOW_MS, 10_000.0)])


def test_highest_and_lowest_are_named_once_each() -> None:
    drawn = curve([(NOW_MS - HOUR_MS, 10_000.0), (NOW_MS, 10_012.5)])
    assert drawn.count("10,000.00") == drawn.count("10,012.50") == 1
    assert "<polyline points='0.0,178.0 860.0,2.0'" in drawn
