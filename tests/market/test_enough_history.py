"""History that training takes: how deep a traded timeframe is collected, and what is said where there is less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sereno.core.candle import Candle
from sereno.core.instrument import Series
from sereno.core.settings.history import FURTHEST_DAYS, History
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.market import gaps
from sereno.market.cycle import SeriesStatus
from sereno.market.reach import start_of
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, hourly_world

Make = Callable[..., Exchange]
HOURLY = Series(BTC, Timeframe.H1)
NEWEST = 50


def needs(least_bars: int, wanted_bars: int) -> dict[Timeframe, History]:
    return {Timeframe.H1: History(least_bars, least_bars, wanted_bars)}


def newest_only(place: Exchange, rows: int = NEWEST) -> object:
    """A door whose pages are the newest rows whatever is asked for, as Kraken's are."""
    venue = place.venue()
    original = venue.candles

    async def candles(instrument, timeframe, since: int, limit: int) -> list[Candle]:
        newest = timeframe.floor(place.clock.now_ms()) - (rows - 1) * timeframe.ms
        told = await original(instrument, timeframe, newest, rows)
        return [candle for candle in told if candle.open_ms >= since][:limit]

    venue.candles = candles  # type: ignore[method-assign]
    return venue


def test_a_traded_timeframe_is_collected_as_deep_as_training_wants(exchange: Make) -> None:
    place = exchange(depth_days=5, beside=("1d",))
    report = place.collect(histories=needs(100, 300))
    deep, beside = (r.rows_added for r in report.results)
    assert deep == 13 * 24, "whole days"
    assert beside == 5, "what is collected beside keeps to its setting"
    assert {r.status for r in report.results} == {SeriesStatus.OK}


def test_a_setting_that_reaches_further_holds(exchange: Make) -> None:
    place = exchange(depth_days=20)
    assert place.collect(histories=needs(100, 300)).rows_added == 480


def test_wants_are_not_followed_for_ever_but_the_least_is() -> None:
    candles = CandleSettings(depth_days=20)
    wanted = start_of(Timeframe.D1, NOW, candles, History(100, 200, 5000))
    assert wanted == Timeframe.D1.floor(NOW - FURTHEST_DAYS * DAY_MS)
    least = start_of(Timeframe.D1, NOW, candles, History(1200, 1200, 5000))
    assert least == Timeframe.D1.floor(NOW - 1200 * DAY_MS)


def test_too_little_history_is_a_failure_with_both_figures(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", days=5), depth_days=30)
    (result,) = place.collect(histories=needs(121, 200)).results
    assert result.status is SeriesStatus.FAILED
    assert result.rows_added == 120
    told = str(result.error)
    assert "venue.short_history" in told
    assert "serves 120 candles of history at 1h, training needs 121" in told


def test_enough_history_is_none(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", days=5), depth_days=30)
    assert place.collect(histories=needs(120, 200)).results[0].status is SeriesStatus.OK


def test_a_page_of_the_newest_candles_is_no_listing(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", days=20, future_days=10), depth_days=20)
    for hours in range(4):
        place.to(NOW + hours * HOUR_MS)
        (result,) = place.collect(newest_only(place), histories=needs(100, 200)).results
        assert place.lake.known_gaps(HOURLY) == ()
        assert f"serves {NEWEST - 1 + hours} candles" in str(result.error)
    (result,) = place.collect(histories=needs(100, 200)).results
    assert result.status is SeriesStatus.OK, "a venue that has more is still asked for it"


def test_a_young_listing_is_known_once_its_first_candle_stays(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", days=2, future_days=10), depth_days=20)
    place.collect()
    assert place.lake.known_gaps(HOURLY) == (), "all of it on one page: it may be the newest page of more"
    place.collect()
    assert place.lake.known_gaps(HOURLY) == (), "no time has passed that would tell them apart"
    place.to(NOW + HOUR_MS)
    place.collect()
    (known,) = place.lake.known_gaps(HOURLY)
    assert (known.reason, known.last_open_ms) == (gaps.BEFORE_LISTING, place.world.start_ms - HOUR_MS)


@pytest.mark.parametrize("days", [5, 20])
def test_an_older_listing_is_known_at_once(exchange: Make, days: int) -> None:
    place = exchange(hourly_world("BTC/USDT", days=days), depth_days=30)
    place.collect()
    (known,) = place.lake.known_gaps(HOURLY)
    assert known.reason == gaps.BEFORE_LISTING


def test_a_traded_timeframe_that_the_venue_does_not_make_is_a_failure(exchange: Make) -> None:
    place = exchange(beside=("8h",))
    place.instruments = (replace(BTC, venue="bybit"),)
    beside = place.collect(place.venue("bybit"))
    assert [r.status for r in beside.results] == [SeriesStatus.OK, SeriesStatus.SKIPPED]
    place.candles = place.candles.model_copy(
        update={"timeframes": (Timeframe.H1, Timeframe.H8), "beside": ()}
    )
    traded = place.collect(place.venue("bybit"))
    assert [r.status for r in traded.results] == [SeriesStatus.OK, SeriesStatus.FAILED]
    assert "venue.no_timeframe" in str(traded.results[1].error)
    assert "8h" in str(traded.results[1].error)
    assert traded.alert
