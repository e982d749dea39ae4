"""From a closed candle in the lake to a written `signal.json`, models loaded, account brought up first.

At 1h with two years, and at 5m with half a year and three: a decision must not cost more for more history.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from sereno.core.clock import FixedClock
from sereno.core.mode import Mode
from sereno.core.settings import load
from sereno.core.timeframe import Timeframe
from sereno.models.train import train_series
from sereno.ops.app import Desk
from sereno.ops.steps.signals import decide_all
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld
from sereno.store.ledger import instruments as grids

CANDLES = 120
TARGET_MS = 100.0
SIZES = ((Timeframe.H1, 17_520), (Timeframe.M5, 52_704), (Timeframe.M5, 313_920))
TRAINED_ON = 17_520


def main() -> int:
    """0 when every median stays within the target."""
    return max(at_size(timeframe, rows) for timeframe, rows in SIZES)


def at_size(timeframe: Timeframe, rows: int) -> int:
    """1 when this much history takes the median beyond the target."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = {
            "state_dir": folder,
            "models.trials": 0,
            "venue.instruments": "BTC/USDT",
            "candles.timeframes": timeframe.value,
            "candles.beside": "",
        }
        settings = load(env={}, cwd=Path(folder), overrides=overrides).settings
        world = GeneratedWorld(settings.sim.seed, settings.sim.edge, settings.venue.listed())
        with Desk(settings, clock=FixedClock(CLOCK_START_MS)) as desk:
            return measure(desk, world, rows)


def measure(desk: Desk, world: GeneratedWorld, rows: int) -> int:
    """Train once, then hand the desk one candle after another."""
    (series,) = desk.series
    timeframe, span_ms = series.timeframe, series.timeframe.ms
    history = world.candles(series.instrument, timeframe, CLOCK_START_MS - rows * span_ms, CLOCK_START_MS)
    desk.lake.append(series, history, source="bench", mode=Mode.SIM, now=CLOCK_START_MS)
    with desk.ledger.begin() as tx:
        grids.save(tx, series.instrument, world.rules(series.instrument), CLOCK_START_MS)
    train_series(
        series,
        history.slice(max(0, len(history) - TRAINED_ON)),
        models=desk.settings.models,
        barriers=desk.settings.barriers,
        costs=desk.settings.costs,
        registry=desk.registry,
        now=CLOCK_START_MS,
        git_commit="bench",
    )
    spent, used = [], []
    for step in range(CANDLES):
        opened = CLOCK_START_MS + step * span_ms
        closed = world.candles(series.instrument, timeframe, opened, opened + span_ms)
        now = opened + span_ms + 3_000
        desk.lake.append(series, closed, source="bench", mode=Mode.SIM, now=now)
        desk.clock.set(now)  # type: ignore[attr-defined]
        begun, began_cpu = time.perf_counter(), time.process_time()
        outcome = decide_all(desk, (series,))
        spent.append(1000 * (time.perf_counter() - begun))
        used.append(1000 * (time.process_time() - began_cpu))
        assert outcome.failed is None
        assert desk.decider.decide(series).ts == opened + span_ms
    warm = spent[1:]
    median = statistics.median(warm)
    print(
        f"closed candle to signal.json, {len(history):,} candles of history at {timeframe}: median {median:.1f} ms "
        f"(CPU {statistics.median(used[1:]):.1f} ms), "
        f"worst {max(warm):.1f} ms, first (models not loaded) {spent[0]:.0f} ms (target under {TARGET_MS:.0f} ms)"
    )
    return int(median > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
