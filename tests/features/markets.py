"""Candles to try features on: lively ones, and the ill ones that real markets serve too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sereno.core.candle import Candles
from sereno.core.timeframe import Timeframe

MONDAY_MS = 1_700_438_400_000  # 2023-11-20, a Monday, 00:00 UTC


def lively(
    rows: int, *, timeframe: Timeframe = Timeframe.H1, seed: int = 7, start_ms: int = MONDAY_MS
) -> Candles:
    """A random walk with clustered volatility; every price and volume moves."""
    chance = np.random.default_rng(seed)
    noise = 0.004 * np.exp(0.5 * np.sin(np.arange(rows) / 40) + 0.2 * chance.standard_normal(rows))
    close = 30_000 * np.exp(np.cumsum(noise * chance.standard_normal(rows)))
    open_ = np.r_[30_000.0, close[:-1]] * np.exp(0.0003 * chance.standard_normal(rows))
    high = np.maximum(open_, close) * (1 + noise * chance.random(rows))
    low = np.minimum(open_, close) * (1 - noise * chance.random(rows))
    volume = np.exp(4 + 0.8 * chance.standard_normal(rows))
    stamps = start_ms + timeframe.ms * np.arange(rows, dtype=np.int64)
    return Candles(timeframe, stamps, open_, high, low, close, volume)


def with_holes(candles: Candles, *, seed: int = 3) -> Candles:
    """The same with a fifth of the candles missing, one hole of three days among them."""
    stays = np.random.default_rng(seed).random(len(candles)) > 0.2
    stays[300:372] = False
    stays[0] = True
    return pick(candles, stays)


def with_flat_stretch(candles: Candles, first: int = 250, last: int = 420) -> Candles:
    """The same with one price and no volume in [first, last)."""
    columns = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")}
    price = columns["close"][first - 1]
    for name, column in columns.items():
        column[first:last] = 0.0 if name == "volume" else price
    return replace(candles, **columns)


def with_silent_hours(candles: Candles, *, seed: int = 5) -> Candles:
    """The same with no volume in a tenth of the candles."""
    silent = np.random.default_rng(seed).random(len(candles)) < 0.1
    return replace(candles, volume=np.where(silent, 0.0, candles.volume))


def constant(rows: int) -> Candles:
    """A market that never moved or traded."""
    price = np.full(rows, 100.0)
    stamps = MONDAY_MS + Timeframe.H1.ms * np.arange(rows, dtype=np.int64)
    return Candles(Timeframe.H1, stamps, price, price, price, price, np.zeros(rows))


def scaled(candles: Candles, *, price: float = 1.0, volume: float = 1.0) -> Candles:
    """The same market in another currency or lot."""
    return replace(
        candles,
        open=candles.open * price,
        high=candles.high * price,
        low=candles.low * price,
        close=candles.close * price,
        volume=candles.volume * volume,
    )


def pick(candles: Candles, which: np.ndarray) -> Candles:
    """Some rows."""
    names = ("open_ms", "open", "high", "low", "close", "volume")
    return Candles(
        candles.timeframe, *(np.ascontiguousarray(getattr(candles, name)[which]) for name in names)
    )


def joined(head: Candles, tail: Candles) -> Candles:
    """One after the other."""
    names = ("open_ms", "open", "high", "low", "close", "volume")
    return Candles(head.timeframe, *(np.r_[getattr(head, name), getattr(tail, name)] for name in names))


def real(folder: Path, name: str = "BINANCE_SPOT_BTCUSDT_1h") -> Candles:
    """Candles of a development file."""
    import polars as pl

    frame = pl.read_parquet(folder / "ohlcv" / f"{name}.parquet")
    prices = (
        frame[column].to_numpy().astype(np.float64) for column in ("open", "high", "low", "close", "volume")
    )
    timeframe = Timeframe(name.rsplit("_", 1)[1])
    return Candles(timeframe, frame["timestamp"].to_numpy().astype(np.int64), *prices)
