"""The simulator: an exchange on loopback, in a thread of its own, that speaks the venues' protocols."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import FixConfig, TryLater
from sereno.core.timeframe import UtcMs, iso
from sereno.sim.faults import Faults
from sereno.sim.time import SimulatedTime
from sereno.sim.world import World

if TYPE_CHECKING:
    from aiohttp import web

HEARTBEAT_S = 1.0
START_TIMEOUT_S = 30.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_log = structlog.get_logger("sereno.sim")


class Simulator:
    """One world, one clock, three protocols under one port.

    Binance spot at `/api/v3`, Binance USDⓈ-M at `/fapi/v1`, Bybit v5 at `/v5`, control at `/sim`.
    Use `start` and `stop`, or `with Simulator(world, clock, port=0) as simulator:`.
    """

    def __init__(
        self,
        world: World,
        clock: SimulatedTime | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if host not in LOOPBACK:
            raise FixConfig(
                "sim.not_loopback",
                remedy="the simulator takes orders from anyone who reaches it: set sim.host to 127.0.0.1",
                host=host,
            )
        self.world = world
        self.clock = clock or SimulatedTime(world.clock_start_ms, end_ms=world.end_ms)
        self.faults = Faults()
        self.host = host
        self.port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._is_stalled = False

    @property
    def base_url(self) -> str:
        """Where it listens; meaningful once started."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> str:
        """Listen, and return the address. Raises FixConfig when the port is taken."""
        if self._thread is not None:
            return self.base_url
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="sereno-sim", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise TryLater("sim.slow_start", remedy="the machine is busy: try again")
        self._raise_failure()
        return self.base_url

    def _raise_failure(self) -> None:
        if self._failure is not None and self._thread is not None:
            self._thread.join(START_TIMEOUT_S)
            self._thread = None
            raise self._failure

    def stop(self) -> None:
        """Stop time, close every connection and end the thread; harmless when it is not running."""
        thread, loop, leave = self._thread, self._loop, self._leave
        if thread is None:
            return
        if loop is not None and leave is not None and thread.is_alive():
            loop.call_soon_threadsafe(leave.set)
        thread.join(START_TIMEOUT_S)
        self._thread = None

    def step_to(self, at: UtcMs) -> UtcMs:
        """Move the clock; returns the new time, which is the end of the data if that comes first."""
        return self.clock.step_to(at)

    def about(self) -> dict[str, object]:
        """What `/sim/about` says."""
        now = self.clock.now_ms()
        return {
            "simulator": "sereno",
            "world": self.world.describe(),
            "now_ms": now,
            "now": iso(now),
            "speed": self.clock.speed,
            "ended": self.clock.ended,
            "protocols": {"binance_spot": "/api/v3", "binance_usdm": "/fapi/v1", "bybit_v5": "/v5"},
        }

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that called start()
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from aiohttp import web

        from sereno.sim.http import application

        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(application(self), access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await self._listen(runner)
            self.clock.wake()
            self._ready.set()
            await self._beat_until(self._leave)
        finally:
            self.clock.rest()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        from aiohttp import web

        site = web.TCPSite(runner, self.host, self.port)
        try:
            await site.start()
        except OSError as cause:
            raise _cannot_listen(cause, self.host, self.port) from cause
        self.port = int(runner.addresses[0][1])

    async def _beat_until(self, leave: asyncio.Event) -> None:
        while not leave.is_set():
            try:
                await asyncio.wait_for(leave.wait(), HEARTBEAT_S)
            except TimeoutError:
                self._beat()

    def _beat(self) -> None:
        """A full disk is told once: time stands until a later beat finds room."""
        try:
            self.clock.beat()
        except OSError as cause:
            if not self._is_stalled:
                _log.warning("sim.time_stands", error=str(cause))
            self._is_stalled = True
        else:
            self._is_stalled = False


def _cannot_listen(cause: OSError, host: str, port: int) -> FixConfig:
    if cause.errno == errno.EADDRINUSE:
        return FixConfig(
            "sim.port_in_use",
            remedy="another simulator or program listens there: stop it, or set sim.port (0 takes a free one)",
            address=f"{host}:{port}",
        )
    return FixConfig(
        "sim.cannot_listen", remedy="set sim.host and sim.port to an address of this machine", cause=cause
    )


def serve_forever(
    world: World,
    time: SimulatedTime,
    host: str,
    port: int,
    on_ready: Callable[[Simulator], None] | None = None,
    leave: threading.Event | None = None,
) -> None:
    """Serve until interrupted, or until `leave` is set; what `sereno sim` does. Raises FixConfig.

    `on_ready` is called once it listens.
    """
    waiting = leave or threading.Event()
    with Simulator(world, time, host, port) as simulator:
        if on_ready is not None:
            on_ready(simulator)
        try:
            while not waiting.wait(HEARTBEAT_S):
                pass
        except KeyboardInterrupt:
            return
