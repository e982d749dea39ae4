"""One generated world for all tests of the room, and a simulator a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from sereno.core.instrument import Instrument, Market
from sereno.sim.generated import GeneratedWorld
from sereno.sim.reply import Query
from sereno.sim.server import Simulator
from sereno.sim.view import View
from sereno.sim.world import World

BTC = Instrument("binance", Market.SPOT, "BTC", "USDT")
ETH = Instrument("binance", Market.SPOT, "ETH", "USDT")


@pytest.fixture(scope="session")
def world() -> GeneratedWorld:
    """The default world: BTC and ETH, mild edge."""
    return GeneratedWorld(7, 0.35, (BTC, ETH))


@pytest.fixture
def simulator(world: GeneratedWorld) -> Iterator[Simulator]:
    """A simulator of that world on a free port; its clock stands."""
    with Simulator(world) as running:
        yield running


def query(world: World, now: int, params: Mapping[str, object] | None = None) -> Query:
    """A query at a moment, without faults."""
    texts = {name: str(value) for name, value in (params or {}).items()}
    return Query(texts, View(world, now), now, lambda candles: candles)


def pointed(urls: object, base_url: str) -> object:
    """Addresses of a client library, all at another host."""
    if isinstance(urls, dict):
        return {name: pointed(value, base_url) for name, value in urls.items()}
    return base_url + urlsplit(str(urls).replace("{hostname}", "host")).path
