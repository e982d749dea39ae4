"""The feature frame over 68,868 hourly candles, one incremental candle, and the labels.

Targets: frame under 0.25 s on one core; one candle under 1 ms whatever the history.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sereno.core.candle import Candles
from sereno.core.settings import BarrierSettings, CostSettings
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.features.engine import FeatureEngine, LiveFeatures, live_row
from sereno.features.frame import FeatureFrame, compute
from sereno.labels.barrier import triple_barrier

ROWS = 68_868
FILE = "data/ohlcv/BINANCE_SPOT_BTCUSDT_1h.parquet"
BATCH_LIMIT_S, STEP_LIMIT_MS = 0.25, 1.0


def generated(rows: int) -> Candles:
    """A random walk, where the development data are not at hand."""
    chance = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(0.005 * chance.standard_normal(rows)))
    open_ = np.r_[30_000.0, close[:-1]]
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    stamps = 1_500_004_800_000 + HOUR_MS * np.arange(rows, dtype=np.int64)
    return Candles(Timeframe.H1, stamps, open_, high, low, close, np.exp(chance.standard_normal(rows)))


def loaded(path: Path) -> Candles:
    """Candles of a Parquet file named as `shared/data/README.md` says."""
    import polars as pl

    frame = pl.read_parquet(path)
    prices = (
        frame[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close", "volume")
    )
    return Candles(Timeframe.H1, frame["timestamp"].to_numpy().astype(np.int64), *prices)


def best_s(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Best wall time and best processor time of one run, in seconds."""
    walls, cores = [], []
    for _ in range(repeats):
        wall, core = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cores.append(time.process_time() - core)
    return min(walls), min(cores)


def step_ms(candles: Candles, history: int, steps: int = 1000) -> tuple[float, float]:
    """Median and 99th percentile of one incremental candle after this much history."""
    engine = FeatureEngine(candles.timeframe)
    engine.prime(candles.slice(len(candles) - steps - history, len(candles) - steps))
    taken = []
    for candle in candles.slice(len(candles) - steps):
        start = time.perf_counter()
        engine.step(candle)
        taken.append((time.perf_counter() - start) * 1000)
    return float(np.median(taken)), float(np.quantile(taken, 0.99))


def main() -> int:
    """1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--file", type=Path, help="hourly candles; default the development data, else generated"
    )
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, as the target says
    shared = Path(os.environ.get("SERENO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    file = chosen.file or shared / FILE
    candles = loaded(file) if file.is_file() else generated(ROWS)
    frame: FeatureFrame = compute(candles)
    print(f"candles   {len(candles)} x 1h, {file.name if file.is_file() else 'generated'}")
    wall_s, core_s = best_s(lambda: compute(candles), chosen.repeats)
    print(
        f"frame     {len(frame.names)} features in {wall_s:.3f} s "
        f"(processor {core_s:.3f} s), target {BATCH_LIMIT_S} s"
    )
    medians = []
    for history in (1_000, 10_000, len(candles) - 1_000):
        median, slow = step_ms(candles, history)
        medians.append(median)
        print(
            f"candle    {median:.3f} ms median, {slow:.3f} ms p99, "
            f"after {history} candles, target {STEP_LIMIT_MS} ms"
        )
    two_years = candles.slice(len(candles) - 17_520)
    wall, _ = best_s(lambda: live_row(two_years), chosen.repeats)
    warm = LiveFeatures(Timeframe.H1)
    warm.row(two_years.slice(0, len(two_years) - 1))
    start = time.perf_counter()
    warm.row(two_years)
    print(
        f"live row  {wall * 1000:.1f} ms from two years, {(time.perf_counter() - start) * 1000:.2f} ms warm"
    )
    barriers, costs = BarrierSettings(), CostSettings()
    triple_barrier(candles, frame.atr, barriers=barriers, costs=costs)
    wall, _ = best_s(
        lambda: triple_barrier(candles, frame.atr, barriers=barriers, costs=costs), chosen.repeats
    )
    print(f"labels    both sides in {wall * 1000:.1f} ms")
    return int(core_s >= BATCH_LIMIT_S or max(medians) >= STEP_LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
