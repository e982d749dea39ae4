"""A small market for tests: candles in a table that a test may cut holes into or change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, UtcMs, from_iso

NOW = from_iso("2024-03-04T00:30:00Z")  # a Monday
COLUMNS = ("open_ms", "open", "high", "low", "close", "volume")
RULES = InstrumentRules(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal("5"))


def walk(timeframe: Timeframe, first_ms: UtcMs, bars: int, *, seed: int = 1, price: float = 100.0) -> Candles:
    """A seeded random walk on a grid of 0.01."""
    chance = np.random.default_rng(seed)
    close = np.round(price * np.exp(np.cumsum(chance.normal(0.0, 0.01, bars))), 2)
    opened = np.concatenate(([price], close[:-1]))
    high = np.round(np.maximum(opened, close) * 1.002, 2)
    low = np.round(np.minimum(opened, close) * 0.998, 2)
    stamps = first_ms + timeframe.ms * np.arange(bars, dtype=np.int64)
    return Candles(timeframe, stamps, opened, high, low, close, np.round(chance.uniform(1, 9, bars), 3))


def rows(candles: Candles, keep: np.ndarray) -> Candles:
    """The rows of a mask or of indices."""
    return Candles(candles.timeframe, *(getattr(candles, name)[keep].copy() for name in COLUMNS))


def same(a: Candles, b: Candles) -> bool:
    """Whether both hold the same candles to the bit."""
    return a.digest() == b.digest()


class TableWorld:
    """Every instrument has the timeframes that its table holds."""

    def __init__(
        self, instruments: Iterable[Instrument], tables: dict[tuple[str, Timeframe], Candles]
    ) -> None:
        self.instruments = tuple(instruments)
        self.tables = tables
        self.start_ms: UtcMs = min(int(t.open_ms[0]) for t in tables.values() if len(t))
        self.clock_start_ms: UtcMs = NOW
        self.end_ms: UtcMs | None = None

    def listed(self, venue: str, market: Market) -> tuple[Instrument, ...]:
        return tuple(replace(one, venue=venue, market=market) for one in self.instruments)

    def rules(self, instrument: Instrument) -> InstrumentRules:
        return RULES

    def timeframes(self, instrument: Instrument) -> tuple[Timeframe, ...]:
        held = {tf for base, tf in self.tables if base == instrument.base}
        return tuple(tf for tf in Timeframe if tf in held)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> Candles:
        return self.tables[instrument.base, timeframe].between(since, until)

    def funding(self, instrument: Instrument, since: UtcMs, until: UtcMs) -> tuple[I64, F64]:
        first = -(-since // (8 * HOUR_MS)) * 8 * HOUR_MS
        stamps = np.arange(first, until, 8 * HOUR_MS, dtype=np.int64)
        return stamps, np.full(len(stamps), 0.0001)

    def describe(self) -> dict[str, object]:
        return {"kind": "table", "synthetic": True}


def hourly_world(*symbols: str, days: int = 30, future_days: int = 3) -> TableWorld:
    """Hourly and daily candles of the symbols from `days` before NOW."""
    first = Timeframe.D1.floor(NOW) - days * DAY_MS
    instruments = [Instrument.parse(s, venue="binance", market=Market.SPOT) for s in symbols]
    tables: dict[tuple[str, Timeframe], Candles] = {}
    for seed, one in enumerate(instruments):
        tables[one.base, Timeframe.H1] = walk(Timeframe.H1, first, (days + future_days) * 24, seed=seed)
        tables[one.base, Timeframe.D1] = walk(Timeframe.D1, first, days + future_days, seed=seed)
    return TableWorld(instruments, tables)
