"""The thin HTTP layer: finds the answer for a path, lets faults in, adds rate-limit headers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from sereno.core.candle import Candles
from sereno.core.clock import WallClock
from sereno.core.timeframe import UtcMs
from sereno.sim import binance_spot, binance_usdm, bybit, bybit_v5
from sereno.sim.binance import BinanceError
from sereno.sim.control import add_control
from sereno.sim.faults import Fault, FaultKind, distorted
from sereno.sim.reply import Answer, Query, Reply
from sereno.sim.view import View

if TYPE_CHECKING:
    from sereno.sim.server import Simulator

PROTOCOLS = (binance_spot, binance_usdm, bybit_v5)
ANSWERS: dict[str, Answer] = {path: answer for part in PROTOCOLS for path, answer in part.ROUTES.items()}
CANDLE_PATHS = frozenset().union(*(part.CANDLE_PATHS for part in PROTOCOLS))
WEB_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
NOT_FOUND = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
HTML_TYPE = "text/html"
WALL = WallClock()


class Weights:
    """Request weight used in the current wall minute, as the venues report it."""

    def __init__(self) -> None:
        self._minute = 0
        self._used = 0

    def add(self, weight: int) -> int:
        """Charge a request; returns the sum of the minute."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += weight
        return self._used


def application(simulator: Simulator) -> web.Application:
    """The routes of all protocols and of `/sim`."""
    app = web.Application(client_max_size=1 << 20)
    add_control(app, simulator)
    venue = _Venue(simulator)
    app.router.add_route("*", "/{path:.*}", venue.handle)
    return app


class _Venue:
    """One handler for every path of the venues."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._weights = {"/api/": Weights(), "/fapi/": Weights()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, as well or as badly as the armed faults say."""
        path, symbol = request.path, request.query.get("symbol", "")
        fault = self._simulator.faults.take(path, symbol, path in CANDLE_PATHS)
        if fault is not None and fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind is FaultKind.DROP:
            return _dropped(request)
        reply = _spoiled(self._reply(request, fault), path, fault, self._simulator.clock.now_ms())
        headers = {**reply.headers, **self._rate_headers(path, reply)}
        if fault is not None and fault.kind is FaultKind.TRUNCATED:
            return await _truncated(request, reply, headers)
        return web.Response(
            body=reply.body, status=reply.status, headers={**headers, "Content-Type": reply.content_type}
        )

    def _reply(self, request: web.Request, fault: Fault | None) -> Reply:
        answer = ANSWERS.get(request.path)
        if answer is None or request.method not in ("GET", "HEAD"):
            return Reply(NOT_FOUND, 404, HTML_TYPE)
        now = self._simulator.clock.now_ms()
        offset = fault.offset_ms if fault is not None and fault.kind is FaultKind.CLOCK_OFFSET else 0

        def distort(candles: Candles) -> Candles:
            return distorted(candles, fault, now)

        query = Query(request.query, View(self._simulator.world, now), now + offset, distort)
        try:
            return answer(query)
        except BinanceError as refusal:
            return refusal.reply()

    def _rate_headers(self, path: str, reply: Reply) -> dict[str, str]:
        if path.startswith("/v5/"):
            return bybit.rate_headers(WALL.now_ms())
        counted = [weights for host, weights in self._weights.items() if path.startswith(host)]
        if not counted:
            return {}
        used = str(counted[0].add(reply.weight))
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}


def _spoiled(reply: Reply, path: str, fault: Fault | None, now: UtcMs) -> Reply:
    """The reply after a fault of content or status."""
    if fault is None:
        return reply
    if fault.kind is FaultKind.HTML:
        return Reply(WEB_PAGE, fault.status or 200, HTML_TYPE)
    if fault.kind is FaultKind.HALF_JSON:
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    return _refused(path, fault, now) if fault.kind is FaultKind.STATUS else reply


def _refused(path: str, fault: Fault, now: UtcMs) -> Reply:
    status = fault.status or 503
    reply = bybit.refusal(status, now) if path.startswith("/v5/") else binance_usdm.refusal(status)
    if fault.body:
        reply = replace(reply, body=fault.body.encode())
    if fault.retry_after_s is not None:
        reply = replace(reply, headers={"Retry-After": f"{fault.retry_after_s:g}"})
    return replace(reply, status=status)


def _dropped(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=503)


async def _truncated(request: web.Request, reply: Reply, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_type = "application/json"
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
