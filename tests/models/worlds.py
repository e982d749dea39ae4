"""Small synthetic candles, features and labels: with a planted edge, or with none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64, Candles
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import Timeframe

SERIES = Series(Instrument("binance", Market.SPOT, "BTC", "USDT"), Timeframe.H1)
START_MS = 1_700_006_400_000
NAMES = ("atr_frac", "atr_ratio_200", "signal", "echo", "noise_a", "noise_b", "late")
BARRIERS = BarrierSettings(horizon_bars=5)
COSTS = CostSettings()
MODELS = ModelSettings(trials=0, rounds=60, threads=1, min_rows=200, embargo_bars=5)


@dataclass(frozen=True)
class FakeFrame:
    """The shape of `features.frame.FeatureFrame`."""

    timeframe: Timeframe
    names: tuple[str, ...]
    ts: I64
    values: F64
    atr: F64
    close: F64

    def row(self, i: int) -> FakeRow:
        return FakeRow(
            int(self.ts[i]), self.names, self.values[i].copy(), float(self.atr[i]), float(self.close[i])
        )

    def head(self, rows: int) -> FakeFrame:
        return replace(
            self, ts=self.ts[:rows], values=self.values[:rows], atr=self.atr[:rows], close=self.close[:rows]
        )


@dataclass(frozen=True)
class FakeRow:
    """The shape of `features.engine.FeatureRow`."""

    ts: int
    names: tuple[str, ...]
    values: F64
    atr: float
    close: float


@dataclass(frozen=True)
class FakeLabels:
    """The shape of `labels.barrier.Labels`."""

    ts: I64
    long: NDArray[np.int8]
    short: NDArray[np.int8]
    forward_return: F64
    end_ms: I64


@dataclass(frozen=True)
class World:
    """Candles with what the lower rooms would make of them."""

    candles: Candles
    frame: FakeFrame
    labels: FakeLabels


def world(*, rows: int, edge: float, seed: int) -> World:
    """A walk whose next `horizon` moves lean on a slow hidden signal with weight `edge`; 0 is pure noise."""
    chance = np.random.default_rng(seed)
    horizon = BARRIERS.horizon_bars
    hidden = _slow(chance, rows)
    level = 0.01 * np.exp(0.3 * _slow(chance, rows))
    moves = level * (edge * np.r_[0.0, hidden[:-1]] + chance.standard_normal(rows))
    close = 100.0 * np.exp(np.cumsum(moves))
    opens = np.r_[100.0, close[:-1]]
    reach = np.abs(level * chance.standard_normal(rows)) * 0.3
    high, low = np.maximum(opens, close) * (1 + reach), np.minimum(opens, close) * (1 - reach)
    stamps = START_MS + np.arange(rows, dtype=np.int64) * Timeframe.H1.ms
    candles = Candles(Timeframe.H1, stamps, opens, high, low, close, np.full(rows, 5.0))
    atr = level * close
    atr[:20] = np.nan
    frac = atr / close
    values = np.column_stack(
        [
            frac,
            frac / 0.01,
            hidden,
            hidden + 0.5 * chance.standard_normal(rows),
            chance.standard_normal(rows),
            _slow(chance, rows),
            np.where(np.arange(rows) < 40, np.nan, chance.standard_normal(rows)),
        ]
    )
    frame = FakeFrame(Timeframe.H1, NAMES, stamps + Timeframe.H1.ms, values, atr, close)
    return World(candles, frame, _labels(candles, atr, horizon))


def _slow(chance: np.random.Generator, rows: int) -> F64:
    """A stationary series with unit variance that forgets within a dozen rows."""
    shocks, out = chance.standard_normal(rows), np.empty(rows)
    out[0] = shocks[0]
    for i in range(1, rows):
        out[i] = 0.9 * out[i - 1] + np.sqrt(1 - 0.81) * shocks[i]
    return out


def _labels(candles: Candles, atr: F64, horizon: int) -> FakeLabels:
    rows = len(candles)
    long, short = np.full(rows, -1, np.int8), np.full(rows, -1, np.int8)
    forward, end = np.full(rows, np.nan), candles.close_ms + horizon * Timeframe.H1.ms
    for i in range(rows - horizon):
        ahead = slice(i + 1, i + 1 + horizon)
        forward[i] = candles.close[i + horizon] / candles.close[i] - 1.0
        if np.isfinite(atr[i]):
            entry = candles.open[i + 1]
            long[i] = _first(candles.high[ahead], candles.low[ahead], entry + 2 * atr[i], entry - atr[i])
            short[i] = _first(-candles.low[ahead], -candles.high[ahead], -entry + 2 * atr[i], -entry - atr[i])
    return FakeLabels(candles.close_ms, long, short, forward, end)


def _first(best: F64, worst: F64, target: float, stop: float) -> int:
    for b, w in zip(best, worst, strict=True):
        if w <= stop:
            return 0
        if b >= target:
            return 1
    return 2
