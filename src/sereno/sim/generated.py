"""The world of the generator: synthetic candles for any venue, drawn once and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, UtcMs, from_iso, iso
from sereno.sim.coins import coin, grid, price_places
from sereno.sim.generator import Recipe, generate
from sereno.sim.resample import divides, resample

CLOCK_START_MS = from_iso("2025-01-06T00:00:00Z")  # a Monday, so that weeks are whole
HISTORY_DAYS, FUTURE_DAYS = 157 * 7, 62 * 7
FUNDING_EVERY_MS = 8 * HOUR_MS


class GeneratedWorld:
    """A seeded market of three years of history and more than a year to come.

    seed, edge    see `generator`; equal seeds give equal candles, whichever instruments are asked for
    instruments   their bases name the coins; every venue and both markets list them
    finest        the smallest timeframe to be had; all others are bundles of the same base candles
    """

    def __init__(
        self,
        seed: int,
        edge: float,
        instruments: Sequence[Instrument],
        *,
        finest: Timeframe = Timeframe.M5,
        clock_start_ms: UtcMs = CLOCK_START_MS,
        history_days: int = HISTORY_DAYS,
        future_days: int = FUTURE_DAYS,
    ) -> None:
        if not 0.0 <= edge <= 1.0:
            raise FixConfig("sim.edge", remedy="sim.edge is from 0 (nothing to learn) to 1", edge=edge)
        if not instruments:
            raise FixConfig("sim.no_instruments", remedy="name at least one instrument")
        base = Timeframe.M5 if finest.ms >= Timeframe.M5.ms else Timeframe.M1
        start = Timeframe.H1.floor(clock_start_ms) - history_days * DAY_MS
        bars = (history_days + future_days) * DAY_MS // base.ms
        self._recipe = Recipe(seed, edge, base, start, bars, clock_start_ms)
        self._instruments = tuple(instruments)
        self._candles: dict[tuple[str, Timeframe], Candles] = {
            (name, base): candles
            for name, candles in generate(self._recipe, sorted({i.base for i in instruments})).items()
        }

    @property
    def start_ms(self) -> UtcMs:
        """Open of the first candle."""
        return self._recipe.start_ms

    @property
    def clock_start_ms(self) -> UtcMs:
        """Where the clock starts."""
        return self._recipe.anchor_ms

    @property
    def end_ms(self) -> UtcMs | None:
        """Close of the last candle."""
        return self._recipe.start_ms + self._recipe.bars * self._recipe.base.ms

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """As they were asked for."""
        return self._instruments

    def listed(self, venue: str, market: Market) -> tuple[Instrument, ...]:
        """The same pairs at every venue and in both markets."""
        pairs = dict.fromkeys((one.base, one.quote) for one in self._instruments)
        return tuple(Instrument(venue, market, base, quote) for base, quote in pairs)

    def rules(self, instrument: Instrument) -> InstrumentRules:
        """The grid that prices and quantities are on."""
        price = coin(instrument.base).price_quote
        return grid(price, places=price_places(price), market=instrument.market)

    def timeframes(self, instrument: Instrument) -> tuple[Timeframe, ...]:  # noqa: ARG002
        """Every timeframe from the base upwards; the same for all instruments."""
        return tuple(tf for tf in Timeframe if divides(self._recipe.base, tf))

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> Candles:
        """Whole candles with since <= open_ms < until."""
        if (instrument.base, self._recipe.base) not in self._candles:
            raise SkipThis("sim.unknown_instrument", instrument=instrument.key)
        if timeframe not in self.timeframes(instrument):
            raise SkipThis("sim.no_timeframe", instrument=instrument.key, timeframe=timeframe)
        key = (instrument.base, timeframe)
        if key not in self._candles:
            self._candles[key] = resample(self._candles[instrument.base, self._recipe.base], timeframe)
        return self._candles[key].between(since, until)

    def funding(self, instrument: Instrument, since: UtcMs, until: UtcMs) -> tuple[I64, F64]:
        """Every 8 hours: 1 bp, and more after a rise than after a fall."""
        first = -(-since // FUNDING_EVERY_MS) * FUNDING_EVERY_MS
        first = max(first, self.start_ms + FUNDING_EVERY_MS)
        candles = self.candles(instrument, Timeframe.H8, first - FUNDING_EVERY_MS, until - FUNDING_EVERY_MS)
        rates = 1e-4 + np.clip(0.01 * (candles.close / candles.open - 1.0), -1e-3, 1e-3)
        return candles.open_ms + FUNDING_EVERY_MS, np.round(rates, 8)

    def describe(self) -> dict[str, object]:
        """Facts for people."""
        end = self.end_ms
        return {
            "kind": "generated",
            "synthetic": True,
            "seed": self._recipe.seed,
            "edge": self._recipe.edge,
            "base_timeframe": self._recipe.base.value,
            "start": iso(self.start_ms),
            "clock_start": iso(self.clock_start_ms),
            "end": iso(end) if end is not None else None,
            "instruments": {one.key: [tf.value for tf in self.timeframes(one)] for one in self._instruments},
        }
