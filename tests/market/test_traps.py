"""Traps of the source systems that stand at the door to an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sereno.core.clock import FixedClock
from sereno.core.instrument import Market
from sereno.core.settings.sections import VenueSettings
from sereno.market.venues.ccxt_venue import CcxtVenue, quirks_of
from tests.market.worlds import NOW

LOCAL = "http://127.0.0.1:9"


def opened(name: str, market: Market, base_url: str, **settings: str) -> Any:
    """The exchange behind a venue as it stands before its first request."""
    venue = CcxtVenue(
        VenueSettings(name=name, market=market, **settings),
        quirks_of(name, market),
        base_url=base_url,
        clock=FixedClock(NOW),
    )

    async def look() -> Any:
        await venue.open()
        exchange = venue._exchange
        await venue.close()
        return exchange

    return asyncio.run(look())


def addresses(tree: Any) -> Iterator[str]:
    """Every address in ccxt's tree of them."""
    if isinstance(tree, dict):
        for part in tree.values():
            yield from addresses(part)
    elif isinstance(tree, str):
        yield tree


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize("name", ["binance", "bybit", "kraken", "okx"])
def test_trap_a30_8_no_request_of_a_simulated_desk_goes_to_the_real_exchange(
    name: str, market: Market
) -> None:
    """A part of the client knew the test's address, the others went on to the real one."""
    real = set(addresses(opened(name, market, "").urls["api"]))
    told = set(addresses(opened(name, market, LOCAL).urls["api"]))
    assert len(real) > 0
    assert not any(urlsplit(one).hostname == "127.0.0.1" for one in real)
    assert {f"{urlsplit(one).scheme}://{urlsplit(one).netloc}" for one in told} == {LOCAL}


def test_trap_e4_3_api_key_and_api_secret_reach_the_exchange_that_they_are_for() -> None:
    known = opened("binance", Market.SPOT, LOCAL, api_key="k-1", api_secret="s-1")
    assert (known.apiKey, known.secret) == ("k-1", "s-1")
    assert opened("binance", Market.SPOT, LOCAL).secret == ""
