from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, from_iso
from sereno.sim.resample import divides, floors, resample


def hours(present: list[int]) -> Candles:
    luck = np.random.Generator(np.random.PCG64(len(present)))
    ends = 100 + luck.standard_normal((2, len(present)))
    high, low = ends.max(axis=0) + 0.5, ends.min(axis=0) - 0.5
    open_ms = np.array(present, dtype=np.int64) * HOUR_MS
    return Candles(Timeframe.H1, open_ms, ends[0], high, low, ends[1], np.round(luck.random(len(present)), 5))


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 800), min_size=1, max_size=200))
def test_bundling_in_steps_is_bundling_at_once(present: set[int]) -> None:
    candles = hours(sorted(present))
    at_once, stepped = (
        resample(candles, Timeframe.D1),
        resample(resample(candles, Timeframe.H4), Timeframe.D1),
    )
    assert at_once.digest() == stepped.digest()
    assert at_once.volume.sum() == pytest.approx(candles.volume.sum())
    assert (at_once.high.max(), at_once.low.min()) == (candles.high.max(), candles.low.min())


def test_gaps_stay_gaps() -> None:
    days = resample(hours([0, 1, 24 * 3, 24 * 3 + 5]), Timeframe.D1)
    assert days.open_ms.tolist() == [0, 3 * DAY_MS]


def test_weeks_open_on_monday() -> None:
    tuesday = from_iso("2025-01-07T13:00:00Z") // HOUR_MS
    week = resample(hours([tuesday]), Timeframe.W1)
    assert week.open_ms.tolist() == [from_iso("2025-01-06T00:00:00Z")]
    moments = np.arange(0, 30) * DAY_MS + 17
    assert floors(moments, Timeframe.W1).tolist() == [Timeframe.W1.floor(int(at)) for at in moments]


def test_misfits_are_refused() -> None:
    assert not divides(Timeframe.H1, Timeframe.M30)
    assert not divides(Timeframe.M3, Timeframe.M5)
    with pytest.raises(ValueError, match="whole 1h"):
        resample(hours([0]), Timeframe.M30)
    assert len(resample(hours([]), Timeframe.D1)) == 0
