"""Collector: 1,000,000 candles from the simulator, over HTTP and unmodified ccxt, into the lake.

    python benchmarks/bench_collector.py [candles] [venue]

The simulator runs in a process of its own, so that the time and the memory are the collector's alone.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
VENUE = sys.argv[2] if len(sys.argv) > 2 else "binance"
TARGET_S, TARGET_MB = 60.0, 300.0

SERVER = """
import sys
from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import Timeframe
from sereno.sim.generated import GeneratedWorld
from sereno.sim.server import Simulator

pairs = [Instrument(sys.argv[1], Market.SPOT, base, "USDT") for base in ("BTC", "ETH")]
world = GeneratedWorld(7, 0.35, pairs, finest=Timeframe.M1)
with Simulator(world) as simulator:
    print(simulator.base_url, world.clock_start_ms, flush=True)
    sys.stdin.read()
"""


def main() -> None:
    """Print the figures."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, VENUE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    base_url, now = server.stdout.readline().split()
    try:
        figures = measure(base_url, int(now))
    finally:
        server.stdin.close()
        server.wait()
    print(figures)


def measure(base_url: str, now: int) -> str:
    """Back-fill two instruments at 1m to the depth that gives the asked number of candles."""
    from sereno.core.clock import FixedClock
    from sereno.core.instrument import Instrument, Market
    from sereno.core.mode import Mode
    from sereno.core.settings.sections import CandleSettings, VenueSettings
    from sereno.core.timeframe import DAY_MS, Timeframe
    from sereno.market.collect import SeriesStatus, collect_cycle
    from sereno.market.venues import make_venue
    from sereno.store.lake import Lake
    from sereno.store.lake_words import Origin
    from sereno.store.objects import LocalObjects

    days = -(-ROWS * Timeframe.M1.ms // (2 * DAY_MS))
    clock, settings = FixedClock(now), VenueSettings(name=VENUE)
    pairs = [Instrument(VENUE, Market.SPOT, base, "USDT") for base in ("BTC", "ETH")]
    # 1m is no trading timeframe: the validation of `timeframes` is for people, not for this figure
    knobs = CandleSettings.model_construct(
        **{**CandleSettings().model_dump(), "timeframes": (), "beside": (Timeframe.M1,)}
    ).model_copy(update={"depth_days": days, "depth_days_below_1h": days})

    async def cycle(lake: Lake) -> int:
        venue = make_venue(settings, base_url=base_url, clock=clock)
        try:
            report = await collect_cycle(
                venue,
                lake,
                clock,
                instruments=pairs,
                candles=knobs,
                venue_settings=settings,
                mode=Mode.SIM,
                source="bench",
            )
        finally:
            await venue.close()
        assert not report.of(SeriesStatus.FAILED), report.results
        return report.rows_added

    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(LocalObjects(Path(folder)), origin=Origin.SYNTHETIC)
        began = time.perf_counter()
        rows = asyncio.run(cycle(lake))
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        asyncio.run(cycle(lake))
        again_s = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    met = "met" if seconds < TARGET_S and peak_mb < TARGET_MB else "MISSED"
    return f"""collector, {VENUE} protocol of the simulator (its own process), 2 instruments at 1m
  {rows:,} candles parsed and stored in {seconds:.1f} s: {rows / seconds:,.0f} a second
  a cycle with nothing new: {again_s:.2f} s
  peak memory: {peak_mb:.0f} MB
  target: 1,000,000 in {TARGET_S:.0f} s, below {TARGET_MB:.0f} MB: {met}"""


if __name__ == "__main__":
    main()
