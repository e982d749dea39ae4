"""Nodes over the last w rows. Sums are made afresh for every window: a running sum drifts, so TA-Lib's
SMA, STDDEV and MFI are not used here."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cache

import numpy as np

from sereno.core.candle import F64
from sereno.features.node import Node, Past, Step, ratio, unary

_CHUNK_ROWS = 4096  # stays in the first-level cache


@dataclass(frozen=True, slots=True)
class Window(Node):
    """A statistic of the last `bars` rows, the current one included."""

    bars: int

    def __post_init__(self) -> None:
        if self.bars < 1:
            raise ValueError("a window holds at least one bar")
        if any(node.partial for node in self.inputs):
            raise ValueError(f"{type(self).__name__} cannot read a column with holes")

    @property
    def lookback_bars(self) -> int:
        return self.bars - 1

    def of(self, window: deque[float]) -> float:
        """The statistic of one window, oldest value first."""
        raise NotImplementedError

    def resume(self, past: Past) -> Step:
        window = deque(past.columns[0][-self.bars :].tolist(), maxlen=self.bars)
        push, of = window.append, self.of

        def step(x: float) -> float:
            push(x)
            return of(window)

        return step


@dataclass(frozen=True, slots=True)
class Lag(Window):
    """The value `bars` rows ago."""

    @property
    def lookback_bars(self) -> int:
        return self.bars

    def batch(self, *columns: F64) -> F64:
        out = np.full(len(columns[0]), np.nan)
        out[self.bars :] = columns[0][: -self.bars]
        return out

    def resume(self, past: Past) -> Step:
        waiting: deque[float] = deque(past.columns[0][-self.bars :].tolist())
        push, pop = waiting.append, waiting.popleft

        def step(x: float) -> float:
            push(x)
            return pop()

        return step


@dataclass(frozen=True, slots=True)
class Sum(Window):
    """Sum: of 2, 4, 8… neighbours and so of any window, each made of its own values only."""

    def batch(self, *columns: F64) -> F64:
        part, size, done, left = columns[0], 1, 0, self.bars
        rows = len(part) - self.bars + 1
        out = np.full(len(part), np.nan)
        sums = out[self.bars - 1 :]
        sums[:] = 0.0
        while left:
            if left & 1:
                sums += part[done : done + rows]
                done += size
            left >>= 1
            if left:
                part, size = part[size:] + part[:-size], size * 2
        return out

    def of(self, window: deque[float]) -> float:
        return sum(window)


@dataclass(frozen=True, slots=True)
class Std(Window):
    """Population standard deviation, in two passes."""

    def batch(self, *columns: F64) -> F64:
        x, bars = columns[0], self.bars
        out = Sum(self.inputs, bars).batch(x)
        out /= bars
        work = np.empty(_CHUNK_ROWS)
        for start in range(bars - 1, len(x), _CHUNK_ROWS):
            middle = out[start : start + _CHUNK_ROWS].copy()
            spread, apart = np.zeros(len(middle)), work[: len(middle)]
            for back in range(bars):
                np.subtract(x[start - back : start - back + len(middle)], middle, out=apart)
                np.multiply(apart, apart, out=apart)
                spread += apart
            out[start : start + _CHUNK_ROWS] = np.sqrt(spread / bars)
        return out

    def of(self, window: deque[float]) -> float:
        middle = sum(window) / self.bars
        return math.sqrt(sum([(x - middle) * (x - middle) for x in window]) / self.bars)


@dataclass(frozen=True, slots=True)
class Highest(Window):
    """Largest value (TA-Lib MAX)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.MAX(columns[0], self.bars)) if self.bars > 1 else columns[0].copy()

    def of(self, window: deque[float]) -> float:
        return max(window)


@dataclass(frozen=True, slots=True)
class Lowest(Window):
    """Smallest value (TA-Lib MIN)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.MIN(columns[0], self.bars)) if self.bars > 1 else columns[0].copy()

    def of(self, window: deque[float]) -> float:
        return min(window)


@dataclass(frozen=True, slots=True)
class Median(Window):
    """Median; of an even number of rows the mean of the middle two."""

    def batch(self, *columns: F64) -> F64:
        import polars as pl

        return pl.Series(columns[0]).rolling_median(self.bars).to_numpy().astype(np.float64)

    def of(self, window: deque[float]) -> float:
        ordered, middle = sorted(window), self.bars // 2
        return ordered[middle] if self.bars % 2 else (ordered[middle - 1] + ordered[middle]) / 2


@dataclass(frozen=True, slots=True)
class Slope(Window):
    """Slope per bar of the least-squares line (TA-Lib LINEARREG_SLOPE, which cancels digits in a calm
    market: here every value is first held against the newest)."""

    def batch(self, *columns: F64) -> F64:
        x, bars = columns[0], self.bars
        out = np.full(len(x), np.nan)
        newest = x[bars - 1 :]
        total = np.zeros(len(newest))
        for i, weight in enumerate(_line(bars)[:-1]):
            total += weight * (x[i : i + len(newest)] - newest)
        out[bars - 1 :] = total
        return out

    def of(self, window: deque[float]) -> float:
        newest = window[-1]
        return sum([weight * (x - newest) for weight, x in zip(_line(self.bars), window, strict=True)])


@cache
def _line(bars: int) -> tuple[float, ...]:
    """Weights of the regression slope, oldest first."""
    middle, spread = (bars - 1) / 2, bars * (bars * bars - 1) / 12
    return tuple((i - middle) / spread for i in range(bars))


def lag(x: Node, bars: int = 1) -> Node:
    """x `bars` rows ago."""
    return Lag((x,), bars)


def change(x: Node, bars: int = 1) -> Node:
    """x less x `bars` rows ago."""
    return x - lag(x, bars)


def total(x: Node, bars: int) -> Node:
    """Rolling sum."""
    return Sum((x,), bars)


def mean(x: Node, bars: int) -> Node:
    """Simple moving average."""
    return total(x, bars) / bars


def std(x: Node, bars: int) -> Node:
    """Rolling population standard deviation."""
    return Std((x,), bars)


def zscore(x: Node, bars: int) -> Node:
    """Distance from the rolling mean in rolling standard deviations; NaN where nothing varies."""
    middle = mean(x, bars)
    return ratio(x - middle, std(x, bars), floor_frac=1e-6, of=unary("abs", middle))


def highest(x: Node, bars: int) -> Node:
    """Rolling maximum."""
    return Highest((x,), bars)


def lowest(x: Node, bars: int) -> Node:
    """Rolling minimum."""
    return Lowest((x,), bars)


def median(x: Node, bars: int) -> Node:
    """Rolling median."""
    return Median((x,), bars)


def slope(x: Node, bars: int) -> Node:
    """Rolling regression slope per bar."""
    return Slope((x,), bars)
