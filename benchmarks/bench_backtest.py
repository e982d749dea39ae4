"""Bars per second of the backtest kernel and of the labels on 1,051,200 one-minute bars, and the start from the cache.

Run it with the desk's interpreter: `python benchmarks/bench_backtest.py`. One JSON line per figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

from sereno.core.candle import Candles
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.timeframe import Timeframe
from sereno.labels.barrier import triple_barrier
from sereno.trading import backtest
from sereno.trading.rules import rulebook

BARS = 1_051_200
TARGET_BARS_PER_S = 20e6
ROUNDS = 15


def world(bars: int = BARS, *, share: float = 0.02) -> tuple[Candles, np.ndarray, np.ndarray]:
    """A random walk of one-minute candles; a decision on `share` of the bars, both sides."""
    chance = np.random.default_rng(3)
    close = 30_000.0 * np.exp(np.cumsum(chance.normal(0.0, 0.0007, bars)))
    open_ = np.concatenate([[30_000.0], close[:-1]])
    spread = np.abs(chance.normal(0.0, 0.0004, (2, bars)))
    high = np.maximum(open_, close) * (1.0 + spread[0])
    low = np.minimum(open_, close) * (1.0 - spread[1])
    stamps = 1_600_000_020_000 // 60_000 * 60_000 + 60_000 * np.arange(bars, dtype=np.int64)
    candles = Candles(Timeframe.M1, stamps, open_, high, low, close, np.ones(bars))
    side = np.where(chance.random(bars) < share, np.where(chance.random(bars) < 0.5, 1, -1), 0).astype(
        np.int8
    )
    return candles, side, close * 0.0012


def rate(*, share: float, trailing_atr: float = 0.0) -> tuple[float, int]:
    """Best bars per second of several rounds after compilation, and the trades made."""
    candles, side, atr = world(share=share)
    book = rulebook(
        Timeframe.M1,
        backtest.NO_GRID,
        barriers=BarrierSettings(trailing_atr=trailing_atr),
        costs=CostSettings(fee_bps=1.0, slippage_bps=0.5),
        risk=RiskSettings(max_daily_loss_frac=1.0, max_weekly_loss_frac=1.0, losing_streak=1000),
        signals=SignalSettings(),
    )
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        trades, _ = backtest.run(candles, side, atr, book, initial_equity=10_000.0)
        best = min(best, time.perf_counter() - start)
    return BARS / best, len(trades)


def label_rate(*, trailing_atr: float) -> float:
    """Best rows per second of the labels of both sides."""
    candles, _, atr = world()
    barriers, costs = BarrierSettings(trailing_atr=trailing_atr), CostSettings(fee_bps=1.0, slippage_bps=0.5)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        triple_barrier(candles, atr, barriers=barriers, costs=costs)
        best = min(best, time.perf_counter() - start)
    return BARS / best


def first_call_s() -> float:
    """Seconds of the first call in a fresh process, with the cache filled by this one."""
    code = (
        "import time; from bench_backtest import rate, world, backtest\n"
        "from sereno.trading import kernel; import numpy as np\n"
        "s=time.perf_counter(); import bench_backtest as b; b.ROUNDS=1; b.BARS=100\n"
        "c,d,a=world(100); b.world=lambda **k: (c,d,a); rate(share=0.02)\n"
        "print(time.perf_counter()-s); assert not kernel.walk.stats.cache_misses"
    )
    reply = subprocess.run(
        [sys.executable, "-c", code], cwd=sys.path[0], capture_output=True, text=True, check=True, timeout=120
    )
    return float(reply.stdout)


def main() -> int:
    """Print the figures; 1 if the target is missed."""
    slowest = float("inf")
    for name, options in {
        "sparse": {"share": 0.02},
        "dense": {"share": 0.5},
        "dense_trailing": {"share": 0.5, "trailing_atr": 1.5},
    }.items():
        bars_per_s, trades = rate(**options)
        slowest = min(slowest, bars_per_s)
        print(
            json.dumps(
                {"figure": f"backtest_{name}_bars_per_s", "value": round(bars_per_s), "trades": trades}
            )
        )
    for name, trailing_atr in {"labels": 0.0, "labels_trailing": 1.5}.items():
        rows_per_s = label_rate(trailing_atr=trailing_atr)
        print(json.dumps({"figure": f"{name}_rows_per_s", "value": round(rows_per_s)}))
    print(json.dumps({"figure": "backtest_first_call_from_cache_s", "value": round(first_call_s(), 3)}))
    return 0 if slowest >= TARGET_BARS_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
