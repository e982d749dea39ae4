"""Whatever interrupts the collector, what is stored is whole and the next cycle goes on from there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sereno.core.candle import Candle
from sereno.core.clock import FixedClock
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.market.cycle import SeriesStatus
from sereno.market.series_collector import CycleContext, SeriesCollector
from sereno.sim.faults import Fault, FaultKind
from sereno.store.lake import Lake
from sereno.store.lake_words import Origin
from sereno.store.objects import LocalObjects
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, hourly_world, same, walk

HOURLY = Series(BTC, Timeframe.H1)
KLINES = "/api/v3/klines"

VICTIM = """
import asyncio, sys
from pathlib import Path
from sereno.core.clock import FixedClock
from sereno.core.instrument import Instrument
from sereno.core.mode import Mode
from sereno.core.settings.sections import CandleSettings, VenueSettings
from sereno.market import series_collector
from sereno.market.collect import collect_cycle
from sereno.market.venues import make_venue
from sereno.store.lake import Lake
from sereno.store.lake_words import Origin
from sereno.store.objects import LocalObjects

url, folder, now = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
series_collector.STORE_ROWS = 100
settings, clock = VenueSettings(), FixedClock(now)
print("ready", flush=True)
asyncio.run(collect_cycle(
    make_venue(settings, base_url=url, clock=clock), Lake(LocalObjects(folder), origin=Origin.SYNTHETIC), clock,
    instruments=[Instrument.from_key("binance:spot:BTC/USDT")],
    candles=CandleSettings(timeframes=("1h",), beside=(), depth_days=400, page_rows=20),
    venue_settings=settings, mode=Mode.SIM, source="test",
))
"""


def test_killed_in_the_middle_of_a_back_fill_then_resumed(
    exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    place = exchange(hourly_world("BTC/USDT", days=410), depth_days=400, page_rows=1000)
    folder = tmp_path / "lake0"
    place.simulator.faults.inject(Fault(FaultKind.DELAY, path=KLINES, delay_s=0.01, times=0))
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, place.simulator.base_url, str(folder), str(NOW)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for_candles(place.lake, victim)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    place.simulator.faults.clear()

    left = place.lake.candles(HOURLY)
    start = Timeframe.H1.floor(NOW - 400 * DAY_MS)
    table = place.world.tables["BTC", Timeframe.H1].between(start, NOW - NOW % HOUR_MS)
    assert 0 < len(left) < len(table)
    assert same(left, table.slice(0, len(left)))

    (result,) = place.collect().results
    assert result.rows_added == len(table) - len(left)
    assert same(place.lake.candles(HOURLY), table)


def wait_for_candles(lake: Lake, victim: subprocess.Popen[bytes]) -> None:
    """Until something is stored; waiting on another process is the one wait that a test needs."""
    until = time.monotonic() + 30
    while lake.extent(HOURLY) is None:
        assert victim.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        os.sched_yield()


def test_pages_before_a_failure_are_kept_and_counted(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    venue = place.venue()
    original, asked = venue.candles, []

    async def third_fails(*question: object) -> list[Candle]:
        asked.append(question)
        if len(asked) == 3:
            place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=500, times=0))
        return await original(*question)  # type: ignore[arg-type]

    venue.candles = third_fails  # type: ignore[method-assign,assignment]
    (failed,) = place.collect(venue).results
    assert (failed.status, failed.rows_added) == (SeriesStatus.FAILED, 200)
    place.simulator.faults.clear()
    (resumed,) = place.collect().results
    assert (resumed.status, resumed.rows_added) == (SeriesStatus.OK, 280)


class SlowVenue:
    """Every reply takes `takes_ms` of the desk's time and holds what was true when the request left."""

    name, page_rows, market = "binance", 1000, BTC.market

    def __init__(self, clock: FixedClock, takes_ms: int) -> None:
        self.clock, self.takes_ms = clock, takes_ms
        self.table = walk(Timeframe.H1, Timeframe.H1.floor(NOW) - 24 * HOUR_MS, 48)

    async def candles(self, instrument: object, timeframe: Timeframe, since: int, limit: int) -> list[Candle]:
        left = self.clock.now_ms()
        told = list(self.table.between(since, left))[:limit]
        if told and told[-1].open_ms + HOUR_MS > left:
            half = told[-1]
            told[-1] = Candle(half.open_ms, half.open, half.open, half.open, half.open, half.volume / 2)
        self.clock.advance(self.takes_ms)
        return told


@pytest.mark.parametrize("takes_ms", [0, 1_000, 10_000, HOUR_MS])
def test_trap_e4_1_a_candle_that_ends_while_the_reply_travels_is_not_frozen(
    tmp_path: Path, takes_ms: int
) -> None:
    clock = FixedClock(Timeframe.H1.floor(NOW) - 500)
    venue, lake = SlowVenue(clock, takes_ms), Lake(LocalObjects(tmp_path), origin=Origin.SYNTHETIC)
    knobs = CandleSettings(timeframes=("1h",), beside=(), depth_days=1)  # type: ignore[arg-type]
    around = CycleContext(venue, lake, clock, knobs, Mode.SIM, "test", 0)  # type: ignore[arg-type]
    asyncio.run(SeriesCollector(around, HOURLY).run())
    stored = lake.candles(HOURLY)
    assert len(stored) > 0
    expected = venue.table.between(int(stored.open_ms[0]), int(stored.open_ms[-1]) + 1)
    assert same(stored, expected)
