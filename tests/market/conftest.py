"""A simulated exchange, a lake in a folder, and doors that never wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import pytest

from sereno.core.clock import FixedClock
from sereno.core.instrument import Instrument, Market
from sereno.core.mode import Mode
from sereno.core.settings.sections import CandleSettings, VenueSettings
from sereno.core.timeframe import Timeframe
from sereno.market.collect import CycleReport, collect_cycle
from sereno.market.venues.ccxt_venue import CcxtVenue, quirks_of
from sereno.market.venues.quiet import Quiet
from sereno.sim.server import Simulator
from sereno.sim.time import SimulatedTime
from sereno.store.lake import Lake
from sereno.store.lake_words import Origin
from sereno.store.objects import LocalObjects
from tests.market.worlds import NOW, TableWorld, hourly_world

BTC = Instrument("binance", Market.SPOT, "BTC", "USDT")


class Pauses:
    """Stands in for sleeping: remembers, and moves the wall's clock on instead."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.wall = FixedClock(NOW)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.wall.advance(ceil(seconds * 1000))


class Exchange:
    """One simulator with a desk before it: `world`, `clock`, `lake`, and `collect()` to run a cycle."""

    def __init__(self, world: TableWorld, folder: Path, **settings: object) -> None:
        self.world = world
        self.time = SimulatedTime(NOW)
        self.simulator = Simulator(world, self.time)
        self.simulator.start()
        self.clock = FixedClock(NOW)
        self.lake = Lake(LocalObjects(folder), origin=Origin.SYNTHETIC)
        self.pauses = Pauses()
        self.quiet_file = folder / "run" / "quiet.txt"
        self.venue_settings = VenueSettings(retry_base_s=2.0, timeout_s=5.0, retries=3)
        self.candles = CandleSettings(
            **{"timeframes": ("1h",), "beside": (), "depth_days": 20, "page_rows": 100, **settings}  # type: ignore[arg-type]
        )
        self.instruments: tuple[Instrument, ...] = world.instruments

    def venue(self, name: str = "binance", market: Market = Market.SPOT, base_url: str = "") -> CcxtVenue:
        settings = self.venue_settings.model_copy(update={"name": name, "market": market})
        return CcxtVenue(
            settings,
            quirks_of(name, market),
            base_url=base_url or self.simulator.base_url,
            clock=self.clock,
            quiet=Quiet(self.quiet_file, self.pauses.wall),
            sleep=self.pauses,
        )

    def to(self, at: int) -> None:
        """Move both clocks."""
        self.time.step_to(at)
        self.clock.set(at)

    def collect(self, venue: object = None, **more: object) -> CycleReport:
        async def cycle() -> CycleReport:
            door = venue or self.venue()
            try:
                return await collect_cycle(
                    door,  # type: ignore[arg-type]
                    self.lake,
                    self.clock,
                    instruments=self.instruments,
                    candles=self.candles,
                    venue_settings=self.venue_settings,
                    mode=Mode.SIM,
                    source="test",
                    **more,  # type: ignore[arg-type]
                )
            finally:
                await door.close()  # type: ignore[union-attr]

        return asyncio.run(cycle())


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Callable[..., Exchange]]:
    """Makes exchanges: `exchange(world=None, **candle_settings)`."""
    made: list[Exchange] = []

    def make(world: TableWorld | None = None, **settings: object) -> Exchange:
        folder = tmp_path / f"lake{len(made)}"
        made.append(Exchange(world or hourly_world("BTC/USDT"), folder, **settings))
        return made[-1]

    yield make
    for one in made:
        one.simulator.stop()


@pytest.fixture
def hour() -> SimpleNamespace:
    """Where the hourly grid stands at NOW."""
    return SimpleNamespace(last_closed=Timeframe.H1.last_closed_open(NOW), forming=Timeframe.H1.floor(NOW))
