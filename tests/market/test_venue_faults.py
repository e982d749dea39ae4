"""Every bad day of a venue, over real HTTP, ends in one of the desk's errors, and no test waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

import pytest

from sereno.core.errors import FixConfig, SkipThis, TryLater
from sereno.core.instrument import Market
from sereno.core.retry_after import retry_after_s
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.market.venues.quiet import Quiet
from sereno.sim.faults import Fault, FaultKind
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, hourly_world

KLINES = "/api/v3/klines"


def candles(place: Exchange, base_url: str = ""):
    async def ask():
        venue = place.venue(base_url=base_url)
        try:
            return await venue.candles(BTC, Timeframe.H1, NOW - 10 * HOUR_MS, 5)
        finally:
            await venue.close()

    return asyncio.run(ask())


PASSING = [
    pytest.param(Fault(FaultKind.HTML), "venue.not_json", id="html"),
    pytest.param(Fault(FaultKind.HTML, status=503), "venue.unavailable", id="html-503"),
    pytest.param(Fault(FaultKind.STATUS, status=500), "venue.unavailable", id="500"),
    pytest.param(Fault(FaultKind.STATUS, status=502, body="bad gateway"), "venue.unavailable", id="502"),
    pytest.param(Fault(FaultKind.STATUS, status=429, retry_after_s=7), "venue.rate_limited", id="429"),
    pytest.param(Fault(FaultKind.STATUS, status=418, retry_after_s=7), "venue.rate_limited", id="418"),
    pytest.param(Fault(FaultKind.DROP), "venue.unreachable", id="dropped"),
    pytest.param(Fault(FaultKind.TRUNCATED), "venue.unreadable", id="truncated"),
    pytest.param(Fault(FaultKind.HALF_JSON), "venue.not_json", id="half-json"),
]


@pytest.mark.parametrize(("fault", "event"), PASSING)
def test_a_passing_fault_is_asked_again(exchange: Callable[..., Exchange], fault: Fault, event: str) -> None:
    place = exchange()
    place.simulator.faults.inject(_on_klines(fault, times=2))
    assert len(candles(place)) == 5
    # aiohttp repeats a request on its own when an idle connection turns out to be closed
    assert len(place.pauses.seconds) == (1 if fault.kind is FaultKind.DROP else 2)


@pytest.mark.parametrize(("fault", "event"), PASSING)
def test_a_lasting_fault_is_try_later(exchange: Callable[..., Exchange], fault: Fault, event: str) -> None:
    place = exchange()
    place.simulator.faults.inject(_on_klines(fault, times=0))
    with pytest.raises(TryLater) as caught:
        candles(place)
    assert caught.value.event == event
    assert len(place.pauses.seconds) == 3


def _on_klines(fault: Fault, *, times: int) -> Fault:
    return replace(fault, path=KLINES, times=times)


def test_pauses_double_with_jitter(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=503, times=0))
    with pytest.raises(TryLater):
        candles(place)
    for pause, least in zip(place.pauses.seconds, (2.0, 4.0, 8.0), strict=True):
        assert least <= pause <= 1.5 * least
    assert any(pause % 1 for pause in place.pauses.seconds)


def test_retry_after_is_respected(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=429, retry_after_s=30))
    assert len(candles(place)) == 5
    assert place.pauses.seconds == [30.0]


def refused(place: Exchange) -> TryLater:
    with pytest.raises(TryLater) as caught:
        candles(place)
    return caught.value


@pytest.mark.parametrize("status", [418, 429, 503])
def test_a_pause_that_one_call_is_asked_for_holds_for_all(
    exchange: Callable[..., Exchange], status: int
) -> None:
    place = exchange(hourly_world("BTC/USDT", "ETH/USDT"))
    place.venue_settings = place.venue_settings.model_copy(update={"retries": 0})

    async def both() -> None:
        venue = place.venue()
        await venue.rules([BTC])
        place.simulator.faults.inject(
            Fault(FaultKind.STATUS, path=KLINES, symbol="BTCUSDT", status=status, retry_after_s=30)
        )
        with pytest.raises(TryLater):
            await venue.candles(BTC, Timeframe.H1, NOW - 10 * HOUR_MS, 5)
        assert place.pauses.seconds == []
        assert len(await venue.candles(replace(BTC, base="ETH"), Timeframe.H1, NOW - 10 * HOUR_MS, 5)) == 5
        assert len(await venue.candles(BTC, Timeframe.H1, NOW - 10 * HOUR_MS, 5)) == 5
        await venue.close()

    asyncio.run(both())
    assert place.pauses.seconds == [30.0]


def test_a_rate_limit_without_a_time_is_a_short_pause_for_all(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    place.venue_settings = place.venue_settings.model_copy(update={"retries": 0})
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=429))
    assert refused(place).event == "venue.rate_limited"
    assert len(candles(place)) == 5
    assert place.pauses.seconds == [2.0]


def test_a_long_ban_is_not_waited_for_and_the_next_run_asks_nothing_before_it_is_over(
    exchange: Callable[..., Exchange],
) -> None:
    place = exchange()
    ban = Fault(FaultKind.STATUS, path="/api/v3", status=418, retry_after_s=7200, times=2)
    place.simulator.faults.inject(ban)
    first, second = refused(place), refused(place)
    assert (first.event, first.after_s) == ("venue.rate_limited", 7200.0)
    assert (second.event, second.after_s) == ("venue.quiet", 7200.0)
    assert place.simulator.faults.armed() == (replace(ban, times=1),)
    assert place.pauses.seconds == []
    place.pauses.wall.advance(7200_000 - 1)
    place.simulator.faults.clear()
    assert len(candles(place)) == 5, "the last millisecond is waited for"


def test_a_short_pause_does_not_end_a_long_one(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    Quiet(place.quiet_file, place.pauses.wall).keep(7200)
    Quiet(place.quiet_file, place.pauses.wall).keep(5)
    assert refused(place).after_s == 7200.0


@pytest.mark.parametrize("kept", ["", "soon", "9999-01-01T00:00:00Z"])
def test_a_kept_pause_that_nobody_can_mean_holds_nobody_up(
    exchange: Callable[..., Exchange], kept: str
) -> None:
    place = exchange()
    place.quiet_file.parent.mkdir(parents=True)
    place.quiet_file.write_text(kept)
    assert len(candles(place)) == 5
    assert place.pauses.seconds == []


def test_a_pause_that_cannot_be_kept_still_holds_here(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    place.quiet_file.parent.parent.mkdir(parents=True, exist_ok=True)
    place.quiet_file.parent.write_text("a file where the folder should be")
    quiet = Quiet(place.quiet_file, place.pauses.wall)
    quiet.keep(7200)
    with pytest.raises(TryLater, match=r"venue\.quiet"):
        asyncio.run(quiet.wait(place.pauses, venue="binance"))


def test_trap_ami_b12_8_a_call_that_is_not_answered_times_out(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    place.venue_settings = place.venue_settings.model_copy(update={"timeout_s": 0.2, "retries": 0})
    place.simulator.faults.inject(Fault(FaultKind.DELAY, path=KLINES, delay_s=3.0, times=0))
    with pytest.raises(TryLater, match=r"venue\.timeout"):
        candles(place)


def test_a_host_that_is_not_there(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    with pytest.raises(TryLater, match=r"venue\.unreachable"):
        candles(place, base_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("status", "body", "error", "event"),
    [
        (400, '{"code":-1121,"msg":"Invalid symbol."}', SkipThis, "venue.unknown_instrument"),
        (401, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', FixConfig, ""),
        (451, '{"code":0,"msg":"Service unavailable from a restricted location"}', FixConfig, ""),
        (400, '{"code":-1003,"msg":"Too many requests"}', TryLater, "venue.rate_limited"),
        (200, '{"an":"object"}', None, ""),
        (200, '[["not","a","candle"]]', None, ""),
    ],
)
def test_error_bodies_of_binance(
    exchange: Callable[..., Exchange], status: int, body: str, error: type[Exception] | None, event: str
) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=status, body=body, times=0))
    if error is None:
        try:
            told = candles(place)
        except TryLater as caught:
            assert caught.event == "venue.unreadable"  # noqa: PT017
        else:
            assert told == []
        return
    with pytest.raises(error) as failed:
        candles(place)
    assert event in str(failed.value)


def test_a_rate_limit_of_bybit_comes_with_status_200(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    body = '{"retCode":10006,"retMsg":"Too many visits. Exceeded the API Rate Limit.","result":{}}'
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path="/v5/market/kline", status=200, body=body))

    async def ask():
        venue = place.venue("bybit", Market.SPOT)
        told = await venue.candles(_bybit_btc(), Timeframe.H1, NOW - 5 * HOUR_MS, 3)
        await venue.close()
        return told

    assert len(asyncio.run(ask())) == 3
    assert len(place.pauses.seconds) == 1


def test_bybit_asks_for_ten_minutes_without_saying_so(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    body = "<html>403 Forbidden: access too frequent</html>"
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path="/v5/market/kline", status=403, body=body))

    async def ask() -> None:
        venue = place.venue("bybit", Market.SPOT)
        try:
            for event in ("venue.rate_limited", "venue.quiet"):
                with pytest.raises(TryLater, match=event) as caught:
                    await venue.candles(_bybit_btc(), Timeframe.H1, NOW - 5 * HOUR_MS, 3)
                assert caught.value.after_s == 600.0
        finally:
            await venue.close()

    asyncio.run(ask())


def _bybit_btc():
    return replace(BTC, venue="bybit")


def test_retry_after_holds_seconds_or_a_date() -> None:
    assert retry_after_s("12") == 12.0
    assert retry_after_s(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=3)
    assert retry_after_s("-4") == 0.0
    assert retry_after_s(None) is None
    assert retry_after_s("soon") is None
