"""The battery that every venue passes: unmodified ccxt against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest

from sereno.core.candle import Candles
from sereno.core.clock import FixedClock
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Instrument, Market
from sereno.core.settings.sections import VenueSettings
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.market.cycle import SeriesStatus
from sereno.market.venue import Venue
from sereno.market.venues import make_venue
from sereno.market.venues.ccxt_venue import CcxtVenue, quirks_of
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, hourly_world, same, walk

T = TypeVar("T")
VENUES = [
    ("binance", Market.SPOT),
    ("binance", Market.LINEAR),
    ("bybit", Market.SPOT),
    ("bybit", Market.LINEAR),
]


class Asked:
    """Ask one venue one thing: `asked(lambda venue, btc: venue.ticker(btc))`."""

    def __init__(self, place: Exchange, name: str, market: Market) -> None:
        self.place = place
        self.loop = asyncio.Runner()
        self.venue = place.venue(name, market)
        self.btc = replace(BTC, venue=name, market=market)

    def __call__(self, question: Callable[[CcxtVenue, Instrument], Awaitable[T]]) -> T:
        async def once() -> T:
            return await question(self.venue, self.btc)

        return self.loop.run(once())

    def close(self) -> None:
        self.loop.run(self.venue.close())
        self.loop.close()
        self.place.simulator.stop()


@pytest.fixture(scope="module", params=VENUES, ids=lambda p: f"{p[0]}-{p[1]}")
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    name, market = request.param
    world = hourly_world("BTC/USDT", "ETH/USDT", days=70)
    world.tables["BTC", Timeframe.W1] = walk(Timeframe.W1, Timeframe.W1.floor(NOW) - 8 * Timeframe.W1.ms, 12)
    asking = Asked(Exchange(world, tmp_path_factory.mktemp("lake")), name, market)
    yield asking
    asking.close()


def test_is_a_venue(asked) -> None:
    async def look(venue: CcxtVenue, btc: Instrument) -> bool:
        return isinstance(venue, Venue) and (venue.name, venue.market) == (btc.venue, btc.market)

    assert asked(look)


def test_tells_the_exchanges_time(asked) -> None:
    assert asked(lambda venue, btc: venue.server_time_ms()) == NOW


def test_rules_are_exact_and_leave_out_the_unknown(asked) -> None:
    async def rules(venue: CcxtVenue, btc: Instrument):
        nobody = replace(btc, base="NOSUCH")
        return await venue.rules([btc, nobody])

    told = asked(rules)
    assert [one.base for one in told] == ["BTC"]
    grid = next(iter(told.values()))
    assert grid.price_tick == Decimal("0.01")
    assert grid.quantity_step == Decimal("0.00001")
    assert grid.min_quantity > 0
    assert grid.min_notional_quote >= 0


def test_candles_come_oldest_first_from_since_on(asked) -> None:
    since = NOW - 50 * HOUR_MS - NOW % HOUR_MS
    told = asked(lambda venue, btc: venue.candles(btc, Timeframe.H1, since, 20))
    expected = asked.place.world.tables["BTC", Timeframe.H1].between(since, since + 20 * HOUR_MS)
    assert same(Candles.of(Timeframe.H1, told), expected)


def test_pages_follow_one_another_without_hole_or_overlap(asked) -> None:
    table = asked.place.world.tables["BTC", Timeframe.H1]

    async def pages(venue: CcxtVenue, btc: Instrument):
        since, told = int(table.open_ms[0]), []
        while page := await venue.candles(btc, Timeframe.H1, since, 700):
            told += page
            since = page[-1].open_ms + HOUR_MS
            if len(page) < 700:
                break
        return told

    told = asked(pages)
    closed = [candle for candle in told if candle.open_ms + HOUR_MS <= NOW]
    assert same(Candles.of(Timeframe.H1, closed), table.between(None, NOW - NOW % HOUR_MS))


def test_trap_a30_9_a_page_is_never_larger_than_the_venues_own(asked) -> None:
    async def large(venue: CcxtVenue, btc: Instrument):
        first = int(asked.place.world.tables["BTC", Timeframe.H1].open_ms[0])
        return venue.page_rows, await venue.candles(btc, Timeframe.H1, first, 5000)

    page_rows, told = asked(large)
    assert len(told) == page_rows == 1000


def test_weeks_open_on_monday(asked) -> None:
    since = Timeframe.W1.floor(NOW) - 5 * Timeframe.W1.ms
    told = asked(lambda venue, btc: venue.candles(btc, Timeframe.W1, since, 3))
    assert [candle.open_ms for candle in told] == [since + week * Timeframe.W1.ms for week in range(3)]


def test_the_future_is_an_empty_page(asked) -> None:
    later = NOW - NOW % HOUR_MS + 10 * HOUR_MS
    assert asked(lambda venue, btc: venue.candles(btc, Timeframe.H1, later, 10)) == []


def test_an_unknown_instrument_is_named(asked) -> None:
    with pytest.raises(SkipThis) as caught:
        asked(lambda venue, btc: venue.candles(replace(btc, base="NOSUCH"), Timeframe.H1, NOW, 10))
    assert caught.value.event == "venue.unknown_instrument"
    assert "NOSUCH" in str(caught.value)


def test_ticker_is_the_last_price(asked) -> None:
    assert asked(lambda venue, btc: venue.ticker(btc)) > 0


def test_funding_of_contracts_and_none_of_spot(asked) -> None:
    async def funding(venue: CcxtVenue, btc: Instrument):
        if venue.market is Market.SPOT:
            with pytest.raises(SkipThis, match=r"venue\.no_funding"):
                await venue.funding(btc, NOW - 48 * HOUR_MS, 10)
            return None
        return await venue.funding(btc, NOW - 48 * HOUR_MS, 10)

    told = asked(funding)
    if told is not None:
        assert len(told) in (6, 7)
        assert [one.ts for one in told] == sorted(one.ts for one in told)
        assert {one.rate for one in told} == {0.0001}


def test_a_closed_venue_opens_again(asked) -> None:
    async def twice(venue: CcxtVenue, btc: Instrument):
        await venue.open()
        await venue.close()
        return await venue.server_time_ms()

    assert asked(twice) == NOW


def test_only_this_markets_endpoints_are_asked(exchange: Callable[..., Exchange]) -> None:
    """A fault on every other protocol's path stays unused."""
    from sereno.sim.faults import Fault, FaultKind

    place = exchange()
    for path in ("/fapi", "/dapi", "/sapi", "/eapi", "/v5"):
        place.simulator.faults.inject(Fault(FaultKind.STATUS, path=path, status=500, times=0))
    assert place.collect().of(SeriesStatus.OK)
    assert len(place.simulator.faults.armed()) == 5


def test_any_other_exchange_by_name_and_none_that_nobody_knows() -> None:
    clock = FixedClock(NOW)
    kraken = make_venue(VenueSettings(name="kraken"), clock=clock)
    nobody = make_venue(VenueSettings(name="nosuchexchange"), clock=clock)

    async def open_and_close(venue: Venue) -> int:
        await venue.open()
        rows = venue.page_rows
        await venue.close()
        return rows

    assert asyncio.run(open_and_close(kraken)) == 720
    with pytest.raises(FixConfig, match=r"venue\.unknown"):
        asyncio.run(open_and_close(nobody))


@pytest.mark.parametrize(
    ("base_url", "limited"),
    [("", True), ("https://proxy.example.org/binance", True), ("http://127.0.0.1:1", False)],
)
def test_requests_stay_inside_the_rate_limit_except_on_this_host(base_url: str, limited: bool) -> None:
    async def look() -> tuple[bool, str]:
        venue = CcxtVenue(
            VenueSettings(), quirks_of("binance", Market.SPOT), base_url=base_url, clock=FixedClock(NOW)
        )
        await venue.open()
        exchange = venue._exchange
        await venue.close()
        return exchange.enableRateLimit, exchange.urls["api"]["public"]

    told, public = asyncio.run(look())
    assert told is limited
    assert public == f"{base_url or 'https://api.binance.com'}/api/v3"


@pytest.mark.parametrize(("base_url", "waits"), [("", True), ("http://127.0.0.1:1", False)])
def test_closing_waits_for_no_connection_of_this_host(
    base_url: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused_s: list[float] = []

    async def pause(seconds: float) -> None:
        paused_s.append(seconds)

    async def open_and_close() -> None:
        venue = CcxtVenue(
            VenueSettings(), quirks_of("binance", Market.SPOT), base_url=base_url, clock=FixedClock(NOW)
        )
        await venue.open()
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "sleep", pause)
            await venue.close()

    asyncio.run(open_and_close())
    assert (sum(paused_s) > 0) is waits
