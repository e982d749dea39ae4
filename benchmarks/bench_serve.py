"""One row through the three served roles, and what loading and explaining cost.

Budget: closed candle to written signal.json under 100 ms in all; forecasts may take 10 ms of it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.order import Side
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import Timeframe
from sereno.models.serve import Forecaster
from sereno.models.train import Origins, label_params, train_rows
from sereno.store.registry import Registry

ROWS, FEATURES, TARGET_MS = 17_520, 70, 10.0
NAMES = ("atr_frac", "atr_ratio_200", *(f"feature_{i}" for i in range(FEATURES - 2)))


@dataclass(frozen=True)
class Block:
    """Features and labels with an edge in one column; rows of the size of two years of hours."""

    names: tuple[str, ...]
    ts: I64
    values: F64
    atr: F64
    close: F64
    long: NDArray[np.int8]
    short: NDArray[np.int8]
    forward_return: F64
    end_ms: I64


@dataclass(frozen=True)
class Row:
    """One row of it."""

    ts: int
    names: tuple[str, ...]
    values: F64
    atr: float
    close: float


def block() -> Block:
    chance = np.random.default_rng(1)
    values = chance.standard_normal((ROWS, FEATURES))
    values[:, 0], values[:, 1] = 0.01, np.exp(0.2 * values[:, 1])
    drift = 0.4 * values[:, 2]
    outcome = drift + chance.standard_normal(ROWS)
    ts = np.arange(ROWS, dtype=np.int64) * Timeframe.H1.ms
    return Block(
        names=NAMES,
        ts=ts,
        values=values,
        atr=np.full(ROWS, 1.0),
        close=np.full(ROWS, 100.0),
        long=(outcome > 0.5).astype(np.int8),
        short=(outcome < -0.5).astype(np.int8),
        forward_return=0.01 * outcome,
        end_ms=ts + 20 * Timeframe.H1.ms,
    )


def median_ms(call: object, times: int) -> float:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        call()  # type: ignore[operator]
        spent.append(1000 * (time.perf_counter() - begun))
    return statistics.median(spent)


def main() -> int:
    """0 when one row stays within the target."""
    made, barriers, costs = block(), BarrierSettings(), CostSettings()
    series = Series(Instrument("binance", Market.SPOT, "BTC", "USDT"), Timeframe.H1)
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        origins = Origins(0, "bench", "data", "settings", label_params(barriers, costs))
        begun = time.perf_counter()
        train_rows(series, made, made, models=ModelSettings(), origins=origins, registry=registry)
        print(
            f"training, 3 roles, {ROWS:,} rows x {FEATURES} features, defaults: {time.perf_counter() - begun:.1f} s"
        )
        print(
            f"loading 3 roles: {median_ms(lambda: Forecaster.load(registry, series, names=NAMES), 5):.1f} ms"
        )
        serving = Forecaster.load(registry, series, names=NAMES)
    row = Row(int(made.ts[-1]), NAMES, made.values[-1], 1.0, 100.0)
    one = median_ms(lambda: serving.forecast(row), 300)
    print(f"kinds: {', '.join(f'{role} {kind}' for role, kind in serving.kinds.items())}")
    print(f"one row, 3 roles: {one:.2f} ms (target under {TARGET_MS:.0f} ms)")
    print(f"explaining one row: {median_ms(lambda: serving.contributions(row, Side.LONG), 50):.2f} ms")
    print(f"batch of {ROWS:,} rows: {median_ms(lambda: serving.forecasts(made), 3):.0f} ms")
    return int(one > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
