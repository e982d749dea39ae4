"""From a closed candle in the lake to a written `signal.json`, models loaded, account brought up first."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from sereno.core.clock import FixedClock
from sereno.core.mode import Mode
from sereno.core.settings import load
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.models.train import train_series
from sereno.ops.app import Desk
from sereno.ops.steps.signals import decide_all
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld
from sereno.store.ledger import instruments as grids

CANDLES = 120
TARGET_MS = 100.0


def main() -> int:
    """0 when the median stays within the target."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"state_dir": folder, "models.trials": 0, "venue.instruments": "BTC/USDT"}
        settings = load(env={}, cwd=Path(folder), overrides=overrides).settings
        world = GeneratedWorld(settings.sim.seed, settings.sim.edge, settings.venue.listed())
        with Desk(settings, clock=FixedClock(CLOCK_START_MS)) as desk:
            return measure(desk, world)


def measure(desk: Desk, world: GeneratedWorld) -> int:
    """Train once, then hand the desk one candle after another."""
    (series,) = desk.series
    hour = Timeframe.H1.ms
    history = world.candles(series.instrument, Timeframe.H1, CLOCK_START_MS - 730 * DAY_MS, CLOCK_START_MS)
    desk.lake.append(series, history, source="bench", mode=Mode.SIM, now=CLOCK_START_MS)
    with desk.ledger.begin() as tx:
        grids.save(tx, series.instrument, world.rules(series.instrument), CLOCK_START_MS)
    train_series(
        series,
        history,
        models=desk.settings.models,
        barriers=desk.settings.barriers,
        costs=desk.settings.costs,
        registry=desk.registry,
        now=CLOCK_START_MS,
        git_commit="bench",
    )
    spent = []
    for step in range(CANDLES):
        opened = CLOCK_START_MS + step * hour
        closed = world.candles(series.instrument, Timeframe.H1, opened, opened + hour)
        now = opened + hour + 3_000
        desk.lake.append(series, closed, source="bench", mode=Mode.SIM, now=now)
        desk.clock.set(now)  # type: ignore[attr-defined]
        begun = time.perf_counter()
        outcome = decide_all(desk, (series,))
        spent.append(1000 * (time.perf_counter() - begun))
        assert outcome.failed is None
        assert desk.decider.decide(series).ts == opened + hour
    warm = spent[1:]
    median = statistics.median(warm)
    print(
        f"closed candle to signal.json, {len(history):,} candles of history: median {median:.1f} ms, "
        f"worst {max(warm):.1f} ms, first (models not loaded) {spent[0]:.0f} ms (target under {TARGET_MS:.0f} ms)"
    )
    return int(median > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
