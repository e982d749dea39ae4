"""Nodes that remember: exponential and Wilder averages, as TA-Lib seeds and carries them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sereno.core.candle import F64
from sereno.features.node import CLOSE, HIGH, LOW, Node, Past, Step

_SETTLED_TIMES = 64  # (1 - 1/n)^(64 n) < 1e-27: older rows weigh nothing in a Wilder average
_ZERO = 1e-14  # what TA-Lib takes for zero


@dataclass(frozen=True, slots=True)
class Recursion(Node):
    """A node that carries state over all history, with `bars` as its time constant."""

    bars: int

    def __post_init__(self) -> None:
        if self.bars < 2:
            raise ValueError("an average needs two bars")
        if any(node.partial for node in self.inputs):
            raise ValueError(f"{type(self).__name__} cannot read a column with holes")

    @property
    def lookback_bars(self) -> int:
        return self.bars


@dataclass(frozen=True, slots=True)
class Ema(Recursion):
    """Exponential moving average, seeded with the mean of its first `bars` values (TA-Lib EMA)."""

    @property
    def lookback_bars(self) -> int:
        return self.bars - 1

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.EMA(columns[0], self.bars))

    def resume(self, past: Past) -> Step:
        last, weight = float(past.out[-1]), 2.0 / (self.bars + 1)

        def step(x: float) -> float:
            nonlocal last
            last = (x - last) * weight + last
            return last

        return step


@dataclass(frozen=True, slots=True)
class Rsi(Recursion):
    """Relative strength index, 0 to 100 (TA-Lib RSI; Wilder 1978). 0 when nothing ever moved."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.RSI(columns[0], self.bars))

    def resume(self, past: Past) -> Step:
        bars, rest = self.bars, self.bars - 1
        tail = past.columns[0][-_SETTLED_TIMES * bars :]
        moves = np.diff(tail).tolist()
        seed, moves = moves[:bars], moves[bars:]
        gain = sum([x for x in seed if x > 0]) / bars
        loss = sum([-x for x in seed if x < 0]) / bars
        last = float(tail[-1])

        def step(x: float) -> float:
            nonlocal gain, loss, last
            move, last = x - last, x
            gain = (gain * rest + (move if move > 0 else 0.0)) / bars
            loss = (loss * rest - (move if move < 0 else 0.0)) / bars
            both = gain + loss
            return 100.0 * (gain / both) if both > _ZERO else 0.0

        for move in moves:
            gain = (gain * rest + (move if move > 0 else 0.0)) / bars
            loss = (loss * rest - (move if move < 0 else 0.0)) / bars
        return step


@dataclass(frozen=True, slots=True)
class TrueRange(Node):
    """Largest of high - low and the distances of both from the previous close (TA-Lib TRANGE)."""

    @property
    def lookback_bars(self) -> int:
        return 1

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.TRANGE(*columns))

    def resume(self, past: Past) -> Step:
        last = float(past.columns[2][-1])

        def step(high: float, low: float, close: float) -> float:
            nonlocal last
            widest = max(high - low, abs(high - last), abs(low - last))
            last = close
            return widest

        return step


@dataclass(frozen=True, slots=True)
class Atr(Recursion):
    """Average true range in quote (TA-Lib ATR; Wilder 1978)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.ATR(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        bars, rest = self.bars, self.bars - 1
        average, last = float(past.out[-1]), float(past.columns[2][-1])

        def step(high: float, low: float, close: float) -> float:
            nonlocal average, last
            widest = max(high - low, abs(high - last), abs(low - last))
            average, last = (average * rest + widest) / bars, close
            return average

        return step


class _Movement:
    """Wilder sums of upward movement, downward movement and true range."""

    __slots__ = ("bars", "close", "down", "high", "low", "true_range", "up")

    def __init__(self, bars: int, high: F64, low: F64, close: F64) -> None:
        rows = -_SETTLED_TIMES * bars
        columns = [column[rows:].tolist() for column in (high, low, close)]
        self.bars = float("inf")  # the seed is a plain sum
        self.up = self.down = self.true_range = 0.0
        self.high, self.low, self.close = (column[0] for column in columns)
        for i, candle in enumerate(zip(*(column[1:] for column in columns), strict=True)):
            if i == bars - 1:
                self.bars = bars
            self.add(*candle)
        self.bars = bars

    def add(self, high: float, low: float, close: float) -> None:
        """Take the next candle in."""
        rise, fall = high - self.high, self.low - low
        widest = max(high - low, abs(high - self.close), abs(low - self.close))
        bars = self.bars
        self.up = self.up - self.up / bars + (rise if rise > 0 and rise > fall else 0.0)
        self.down = self.down - self.down / bars + (fall if fall > 0 and fall > rise else 0.0)
        self.true_range = self.true_range - self.true_range / bars + widest
        self.high, self.low, self.close = high, low, close


@dataclass(frozen=True, slots=True)
class PlusDi(Recursion):
    """Share of upward movement in the true range, 0 to 100 (TA-Lib PLUS_DI)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.PLUS_DI(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        moved = _Movement(self.bars, *past.columns)

        def step(high: float, low: float, close: float) -> float:
            moved.add(high, low, close)
            return 100.0 * (moved.up / moved.true_range) if moved.true_range > _ZERO else 0.0

        return step


@dataclass(frozen=True, slots=True)
class MinusDi(Recursion):
    """Share of downward movement in the true range, 0 to 100 (TA-Lib MINUS_DI)."""

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.MINUS_DI(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        moved = _Movement(self.bars, *past.columns)

        def step(high: float, low: float, close: float) -> float:
            moved.add(high, low, close)
            return 100.0 * (moved.down / moved.true_range) if moved.true_range > _ZERO else 0.0

        return step


@dataclass(frozen=True, slots=True)
class Adx(Recursion):
    """Average directional index, 0 to 100 (TA-Lib ADX; Wilder 1978)."""

    @property
    def lookback_bars(self) -> int:
        return 2 * self.bars - 1

    def batch(self, *columns: F64) -> F64:
        import talib

        return np.asarray(talib.ADX(*columns, self.bars))

    def resume(self, past: Past) -> Step:
        bars, rest = self.bars, self.bars - 1
        moved, average = _Movement(self.bars, *past.columns), float(past.out[-1])

        def step(high: float, low: float, close: float) -> float:
            nonlocal average
            moved.add(high, low, close)
            if moved.true_range > _ZERO:
                up, down = 100.0 * (moved.up / moved.true_range), 100.0 * (moved.down / moved.true_range)
                if up + down > _ZERO:
                    average = (average * rest + 100.0 * (abs(down - up) / (up + down))) / bars
            return average

        return step


def ema(x: Node, bars: int) -> Node:
    """Exponential moving average."""
    return Ema((x,), bars)


def rsi(x: Node, bars: int) -> Node:
    """Relative strength index."""
    return Rsi((x,), bars)


def true_range() -> Node:
    """True range of the candle."""
    return TrueRange((HIGH, LOW, CLOSE))


def atr(bars: int) -> Node:
    """Average true range."""
    return Atr((HIGH, LOW, CLOSE), bars)


def plus_di(bars: int) -> Node:
    """Positive directional index."""
    return PlusDi((HIGH, LOW, CLOSE), bars)


def minus_di(bars: int) -> Node:
    """Negative directional index."""
    return MinusDi((HIGH, LOW, CLOSE), bars)


def adx(bars: int) -> Node:
    """Average directional index."""
    return Adx((HIGH, LOW, CLOSE), bars)
