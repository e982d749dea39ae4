"""Candles of a higher timeframe, made of the trading candles and known only when they are over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sereno.core.candle import I64, Candle, Candles
from sereno.core.timeframe import Timeframe, UtcMs


@dataclass(frozen=True, slots=True)
class Forming:
    """The higher candle that is not over at the end of the history; `usable` unless its start is missing."""

    candle: Candle
    usable: bool


@dataclass(frozen=True, slots=True)
class Resampled:
    """Closed candles of a higher timeframe and the join to the rows that they were made of.

    newest   (n,) index of the newest higher candle that is over when row i is; -1 where there is none
    """

    candles: Candles
    newest: I64
    forming: Forming | None


def resample(candles: Candles, higher: Timeframe) -> Resampled:
    """Closed candles of `higher`, whatever of them was traded; one whose start lies before the history is
    left out, as half a day is no day."""
    rows = len(candles)
    if not rows:
        return Resampled(Candles.empty(higher), np.empty(0, dtype=np.int64), None)
    anchor = higher.floor(0)
    opened = (candles.open_ms - anchor) // higher.ms * higher.ms + anchor
    first = np.flatnonzero(np.r_[True, opened[1:] != opened[:-1]])
    last = np.r_[first[1:], rows] - 1
    made = Candles(
        higher,
        opened[first],
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.add.reduceat(candles.volume, first),
    )
    torn = int(candles.open_ms[0] != opened[0])
    closed = int(np.searchsorted(made.close_ms, candles.close_ms[-1], side="right"))
    forming = None if closed == len(made) else Forming(next(iter(made.slice(closed))), not torn or closed > 0)
    whole = made.slice(min(torn, closed), closed)
    newest = np.searchsorted(whole.close_ms, candles.close_ms, side="right").astype(np.int64) - 1
    return Resampled(whole, newest, forming)


class Resampler:
    """The same join a candle at a time."""

    __slots__ = ("_close", "_high", "_higher", "_low", "_open", "_open_ms", "_usable", "_volume")

    def __init__(self, higher: Timeframe, forming: Forming | None) -> None:
        self._higher = higher
        self._open_ms: UtcMs | None = None
        self._usable = True
        self._open = self._high = self._low = self._close = self._volume = math.nan
        if forming is not None:
            self._begin(forming.candle, forming.candle.open_ms)
            self._usable = forming.usable

    @property
    def span_ms(self) -> int:
        """Span of the higher candles in milliseconds."""
        return self._higher.ms

    def push(self, candle: Candle, known_ms: UtcMs, *, first: bool) -> tuple[Candle, ...]:
        """Higher candles that are over once this one is; `first` says that no candle came before it."""
        opened, over = self._higher.floor(candle.open_ms), []
        if self._open_ms is not None and opened != self._open_ms:
            over.append(self._end())
        if self._open_ms is None:
            self._begin(candle, opened)
            self._usable = not first or opened == candle.open_ms
        else:
            self._high, self._low = max(self._high, candle.high), min(self._low, candle.low)
            self._close, self._volume = candle.close, self._volume + candle.volume
        if known_ms >= opened + self._higher.ms:
            over.append(self._end())
        return tuple(candle for candle in over if candle is not None)

    def _begin(self, candle: Candle, opened: UtcMs) -> None:
        self._open_ms = opened
        self._open, self._high, self._low = candle.open, candle.high, candle.low
        self._close, self._volume = candle.close, candle.volume

    def _end(self) -> Candle | None:
        if self._open_ms is None:
            return None
        done = Candle(self._open_ms, self._open, self._high, self._low, self._close, self._volume)
        self._open_ms = None
        return done if self._usable else None
