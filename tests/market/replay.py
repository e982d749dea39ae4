"""A real HTTP server that gives recorded replies by path, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiohttp import web

from sereno.core.clock import FixedClock
from sereno.core.instrument import Market
from sereno.core.settings.sections import VenueSettings
from sereno.market.venues.ccxt_venue import CcxtVenue, quirks_of
from tests.market.worlds import NOW

T = TypeVar("T")
Recorded = tuple[int, object]


def replayed(
    name: str,
    market: Market,
    replies: Mapping[str, Recorded],
    question: Callable[[CcxtVenue], Awaitable[T]],
) -> tuple[T, list[str]]:
    """The answer to a question when each path is answered as recorded, and the paths with queries asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.rel_url))
        status, body = replies.get(request.path, (404, {"code": -1, "msg": "not recorded"}))
        return web.json_response(body, status=status)

    async def once() -> T:
        application = web.Application()
        application.router.add_route("*", "/{anything:.*}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        settings = VenueSettings(name=name, market=market, retries=1, retry_base_s=0)
        venue = CcxtVenue(
            settings,
            quirks_of(name, market),
            base_url=f"http://127.0.0.1:{port}",
            clock=FixedClock(NOW),
        )
        try:
            return await question(venue)
        finally:
            await venue.close()
            await runner.cleanup()

    return asyncio.run(once()), asked
