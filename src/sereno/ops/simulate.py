"""Bringing the simulator up for one set of settings: its own process for a desk, in-process for a soak."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import ClockAnchor, ClockFile, WallClock
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT
from sereno.core.settings import Settings
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.address import SIM_ADDRESS, remove_address, write_address
from sereno.ops.process import load_signal_takers

if TYPE_CHECKING:
    from sereno.sim.server import Simulator
    from sereno.sim.time import SimulatedTime
    from sereno.sim.world import World

_log = structlog.get_logger("sereno.sim")


def world_of(settings: Settings) -> World:
    """The world that these settings describe."""
    from sereno.sim.world import make_world

    return make_world(
        settings.sim,
        instruments=_listed(settings),
        venue=settings.venue.name,
        market=settings.venue.market,
        timeframe=settings.candles.timeframes[0],
        finest=min(settings.candles.collected(), key=lambda tf: tf.ms),
    )


def _listed(settings: Settings) -> tuple[Instrument, ...]:
    """What the venue trades: the settings' pairs, and of a generated market those that money is still in.

    Of files only what the settings name: others need not last as long.
    """
    from sereno.ops.app import open_desk_ledger
    from sereno.trading.positions_plan import engaged

    listed = settings.venue.listed()
    if settings.sim.candles_dir is not None:
        return listed
    with closing(open_desk_ledger(settings)) as ledger, ledger.read() as tx:
        held = engaged(tx, settings.mode, PAPER_ACCOUNT)
    return tuple(dict.fromkeys((*listed, *(series.instrument for series in held))))


def other_worlds(settings: Settings) -> tuple[str, ...]:
    """Names of the simulated worlds that lie beside this one, with all they hold: of other seeds, files or releases."""
    if settings.mode is not Mode.SIM:
        return ()
    root = settings.paths.root
    beside = root.parent.iterdir() if root.parent.is_dir() else ()
    return tuple(sorted(path.name for path in beside if path.is_dir() and path != root))


def speed_of(settings: Settings) -> float:
    """Simulated per wall time; 0: stepped."""
    from sereno.sim.time import speed_of as speed

    return speed(settings.sim.seconds_per_candle, settings.candles.timeframes[0])


def world_clock(settings: Settings, world: World, *, speed: float) -> SimulatedTime:
    """The world's clock; it goes on where an earlier run stopped, or where the ledger saw it when its file is damaged.

    A new one starts when the candle before it has settled, so that the first pass can use it.
    """
    from sereno.sim.time import SimulatedTime

    start_ms = world.clock_start_ms + round(settings.candles.settle_s * 1000) + 1
    _mend_clock_file(settings, start_ms)
    return SimulatedTime(start_ms, speed=speed, end_ms=world.end_ms, path=settings.paths.clock_file)


def _mend_clock_file(settings: Settings, start_ms: UtcMs) -> None:
    """After a power cut: time must not go back behind what the desk has recorded."""
    from sereno.ops.app import open_desk_ledger
    from sereno.store.ledger import runs

    kept = ClockFile(settings.paths.clock_file)
    try:
        kept.read()
    except FixConfig as damage:
        ledger = open_desk_ledger(settings)
        with ledger.read() as tx:
            seen_ms = runs.newest_moment(tx, settings.mode)
        ledger.close()
        at = max(start_ms, seen_ms or start_ms)
        kept.write(ClockAnchor(at, WallClock().now_ms(), 0.0))
        _log.warning("sim.clock_mended", cause=str(damage), at=iso(at))


def serve_simulator(settings: Settings, *, standing: bool = False) -> None:
    """Serve until told to end; what `sereno sim` does.

    standing   start with the clock at rest; `POST /sim/speed` lets it go
    """
    from sereno.sim.server import serve_forever

    leave = threading.Event()
    load_signal_takers()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leave.set())
    world = world_of(settings)
    clock = world_clock(settings, world, speed=0.0 if standing else speed_of(settings))
    address = settings.paths.run / SIM_ADDRESS

    def tell(simulator: Simulator) -> None:
        write_address(address, simulator.base_url)
        _log.info("sim.ready", address=simulator.base_url, speed=clock.speed)

    try:
        serve_forever(world, clock, settings.sim.host, settings.sim.port, on_ready=tell, leave=leave)
    finally:
        remove_address(address)
