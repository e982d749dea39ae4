"""Windowed indicators over more than one column, and the moments of the clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sereno.core.candle import F64
from sereno.core.timeframe import DAY_MS, HOUR_MS
from sereno.features.node import CLOSE, HIGH, KNOWN_MS, LOW, Node, Past, RowWise, Step, given
from sereno.features.windows import Window, highest, lowest

_MONDAY_MS = 4 * DAY_MS  # 1970-01-05


@dataclass(frozen=True, slots=True)
class Cci(Window):
    """Commodity channel index (TA-Lib CCI; Lambert 1980)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.CCI(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        bars = self.bars
        high, low, close = (column[-bars:] for column in past.columns)
        window = deque(((high + low + close) / 3).tolist(), maxlen=bars)

        def step(high: float, low: float, close: float) -> float:
            typical = (high + low + close) / 3
            window.append(typical)
            middle = sum(window) / bars
            spread = sum([abs(x - middle) for x in window]) / bars
            return (typical - middle) / (0.015 * spread) if typical != middle and spread else 0.0

        return step


@dataclass(frozen=True, slots=True)
class AroonOsc(Window):
    """Bars since the lowest low less bars since the highest high, -100 to 100 (TA-Lib AROONOSC)."""

    @property
    def lookback_bars(self) -> int:
        return self.bars

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.AROONOSC(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        bars = self.bars
        highs = deque(past.columns[0][-bars - 1 :][::-1].tolist(), maxlen=bars + 1)
        lows = deque(past.columns[1][-bars - 1 :][::-1].tolist(), maxlen=bars + 1)

        def step(high: float, low: float) -> float:
            highs.appendleft(high)
            lows.appendleft(low)
            return 100.0 / bars * (lows.index(min(lows)) - highs.index(max(highs)))

        return step


@dataclass(frozen=True, slots=True)
class Cycle(RowWise):
    """Sine or cosine of where the moment lies in a period that began at a moment `since_ms`."""

    period_ms: int
    since_ms: int
    wave: Literal["sin", "cos"]

    def batch(self, *columns: F64) -> F64:
        turn = _in_period(columns[0], self.since_ms, self.period_ms) * (2 * math.pi / self.period_ms)
        return np.sin(turn) if self.wave == "sin" else np.cos(turn)

    def function(self) -> Step:
        period_ms, since_ms = self.period_ms, self.since_ms
        turn, wave = 2 * math.pi / period_ms, math.sin if self.wave == "sin" else math.cos
        return lambda at: wave(((at - since_ms) % period_ms) * turn)


@dataclass(frozen=True, slots=True)
class Within(RowWise):
    """1 while the moment lies in [from_ms, until_ms) of a period, else 0."""

    period_ms: int
    since_ms: int
    from_ms: int
    until_ms: int

    def batch(self, *columns: F64) -> F64:
        at = _in_period(columns[0], self.since_ms, self.period_ms)
        return ((at >= self.from_ms) & (at < self.until_ms)).astype(np.float64)

    def function(self) -> Step:
        period_ms, since_ms, from_ms, until_ms = self.period_ms, self.since_ms, self.from_ms, self.until_ms
        return lambda at: float(from_ms <= (at - since_ms) % period_ms < until_ms)


def _in_period(at_ms: F64, since_ms: int, period_ms: int) -> F64:
    passed = at_ms - since_ms
    return np.asarray(
        passed - np.floor(passed / period_ms) * period_ms
    )  # exact for whole ms, and faster than %


def cci(bars: int) -> Node:
    """Commodity channel index; NaN where the window is flat."""
    spread = highest(HIGH, bars) - lowest(LOW, bars)
    return given(Cci((HIGH, LOW, CLOSE), bars), spread, floor_frac=1e-6, of=CLOSE)


def aroon(bars: int) -> Node:
    """Aroon oscillator."""
    return AroonOsc((HIGH, LOW), bars)


def day_cycle(wave: Literal["sin", "cos"]) -> Node:
    """The hour of the decision."""
    return Cycle((KNOWN_MS,), DAY_MS, 0, wave)


def week_cycle(wave: Literal["sin", "cos"]) -> Node:
    """The place of the decision in the week, from Monday 00:00."""
    return Cycle((KNOWN_MS,), 7 * DAY_MS, _MONDAY_MS, wave)


def hours(first: int, last: int) -> Node:
    """Is the decision between these hours of the day, UTC?"""
    return Within((KNOWN_MS,), DAY_MS, 0, first * HOUR_MS, last * HOUR_MS)


def weekdays(first: int, last: int) -> Node:
    """Is the decision between these days of the week? Monday is 0, `last` is left out."""
    return Within((KNOWN_MS,), 7 * DAY_MS, _MONDAY_MS, first * DAY_MS, last * DAY_MS)
