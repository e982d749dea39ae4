"""The world up to now: the only way by which the venues see it, so that nothing later can leak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import DAY_MS, Timeframe, UtcMs
from sereno.sim.resample import resample
from sereno.sim.world import World

LAST_PRICE_LOOKBACK_MS = 30 * DAY_MS


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """The last 24 hours up to `close_ms`; prices in quote, `volume_base` and `turnover_quote`."""

    open_ms: UtcMs
    close_ms: UtcMs
    open: float
    high: float
    low: float
    last: float
    volume_base: float
    turnover_quote: float
    trades: int


def turnover_quote(candles: Candles) -> F64:
    """(n,) volume at the mean of the four prices: the world knows the base volume alone."""
    turnover: F64 = candles.volume * (candles.open + candles.high + candles.low + candles.close) / 4
    return turnover


@dataclass(frozen=True, slots=True)
class View:
    """A world at the moment `now`."""

    world: World
    now: UtcMs

    def find(self, venue: str, market: Market, symbol_id: str) -> Instrument | None:
        """The instrument that a venue calls `BTCUSDT`, if it lists it."""
        for one in self.world.listed(venue, market):
            if one.base + one.quote == symbol_id:
                return one
        return None

    def listed(self, venue: str, market: Market) -> tuple[Instrument, ...]:
        """What a venue offers in a market."""
        return self.world.listed(venue, market)

    def rules(self, instrument: Instrument) -> InstrumentRules:
        """The grid of an instrument."""
        return self.world.rules(instrument)

    def offers(self, instrument: Instrument, timeframe: Timeframe) -> bool:
        """Whether candles of a timeframe can be had."""
        return timeframe in self.world.timeframes(instrument)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> Candles:
        """Candles with since <= open_ms < until that are over by now, then the forming one if it began.

        The forming candle holds what the finest candles know by now. A finest candle that is itself
        forming shows its open alone, without volume.
        """
        return _joined(*self._parts(instrument, timeframe, since, until))

    def _parts(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> tuple[Candles, Candles]:
        """Closed candles as views, and the forming one if it is in range; none where none can be had."""
        if not self.offers(instrument, timeframe):
            return Candles.empty(timeframe), Candles.empty(timeframe)
        forming_ms = timeframe.floor(self.now)
        bound = forming_ms if until is None else min(until, forming_ms)
        closed = self.world.candles(instrument, timeframe, since, bound)
        if (until is not None and until <= forming_ms) or (since is not None and since > forming_ms):
            return closed, Candles.empty(timeframe)
        return closed, self._forming(instrument, timeframe, forming_ms)

    def _forming(self, instrument: Instrument, timeframe: Timeframe, open_ms: UtcMs) -> Candles:
        finest = self.world.timeframes(instrument)[0]
        known = self._known(instrument, finest, open_ms)
        return resample(known, timeframe)

    def _known(self, instrument: Instrument, finest: Timeframe, since: UtcMs) -> Candles:
        """Finest candles from `since` to now, the one in the making cut down to its open."""
        begun = self.world.candles(instrument, finest, since, self.now)
        if not len(begun) or int(begun.open_ms[-1]) + finest.ms <= self.now:
            return begun
        price = begun.open[-1:]
        made = begun.slice(0, len(begun) - 1)
        stub = Candles(finest, begun.open_ms[-1:], price, price, price, price, np.zeros(1))
        return _joined(made, stub)

    def last_page(
        self, instrument: Instrument, timeframe: Timeframe, until: UtcMs | None, limit: int
    ) -> Candles:
        """The newest `limit` candles with open_ms < until."""
        closed, forming = self._parts(instrument, timeframe, None, until)
        return _joined(closed.slice(max(0, len(closed) + len(forming) - limit)), forming)

    def first_page(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs, until: UtcMs | None, limit: int
    ) -> Candles:
        """The oldest `limit` candles with since <= open_ms < until."""
        closed, forming = self._parts(instrument, timeframe, since, until)
        return _joined(closed.slice(0, limit), forming.slice(0, max(0, limit - len(closed))))

    def last_price(self, instrument: Instrument) -> float | None:
        """What was paid last; None before the first candle."""
        finest = self.world.timeframes(instrument)[0]
        known = self._known(instrument, finest, self.now - LAST_PRICE_LOOKBACK_MS)
        if not len(known):
            known = self._known(instrument, finest, self.world.start_ms)
        return float(known.close[-1]) if len(known) else None

    def day(self, instrument: Instrument) -> DayStatistics | None:
        """Figures of the last 24 hours, from the finest candles; None before the first candle."""
        finest = self.world.timeframes(instrument)[0]
        since = finest.floor(self.now - DAY_MS + finest.ms - 1)  # whole candles only
        known = self._known(instrument, finest, since)
        if len(known):
            return DayStatistics(
                open_ms=self.now - DAY_MS,
                close_ms=self.now,
                open=float(known.open[0]),
                high=float(known.high.max()),
                low=float(known.low.min()),
                last=float(known.close[-1]),
                volume_base=float(known.volume.sum()),
                turnover_quote=float(turnover_quote(known).sum()),
                trades=len(known) * 100,
            )
        last = self.last_price(instrument)
        if last is None:
            return None
        return DayStatistics(self.now - DAY_MS, self.now, last, last, last, last, 0.0, 0.0, 0)

    def funding(self, instrument: Instrument, since: UtcMs, until: UtcMs) -> tuple[I64, F64]:
        """Funding paid in [since, until) and not later than now."""
        return self.world.funding(instrument, max(since, self.world.start_ms), min(until, self.now + 1))


def _joined(first: Candles, second: Candles) -> Candles:
    if not len(second):
        return first
    if not len(first):
        return second
    pairs = zip(_columns(first), _columns(second), strict=True)
    open_ms, *prices = (np.concatenate(pair) for pair in pairs)
    return Candles(first.timeframe, open_ms, *prices)


def _columns(candles: Candles) -> tuple[np.ndarray, ...]:
    return (candles.open_ms, candles.open, candles.high, candles.low, candles.close, candles.volume)
