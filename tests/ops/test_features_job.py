"""The job `features`: what it checks on every run, and what it stores for people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import Timeframe
from sereno.features.engine import live_row
from sereno.features.frame import compute
from sereno.ops.steps.features import told_apart
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld

BTC = Instrument.parse("BTC/USDT", venue="binance", market=Market.SPOT)
SERIES = Series(BTC, Timeframe.H1)
CANDLES = GeneratedWorld(7, 0.3, (BTC,)).candles(
    BTC, Timeframe.H1, CLOCK_START_MS - 120 * 86_400_000, CLOCK_START_MS
)


def test_the_live_row_is_the_frames_newest_row() -> None:
    assert told_apart(compute(CANDLES), live_row(CANDLES).row) == []


def test_a_live_value_that_differs_is_named() -> None:
    frame, row = compute(CANDLES), live_row(CANDLES).row
    values = row.values.copy()
    values[frame.names.index("rsi_14")] *= 1 + 1e-6
    values[frame.names.index("adx_14")] = np.nan
    assert set(told_apart(frame, replace(row, values=values))) == {"rsi_14", "adx_14"}
