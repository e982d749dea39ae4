"""The simulator never knows the future: what it shows at a moment does not depend on what comes after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.instrument import Instrument
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim.generated import GeneratedWorld
from sereno.sim.view import View
from tests.sim.conftest import BTC

SHORT = GeneratedWorld(7, 0.35, (BTC,), history_days=28, future_days=14)


class Forged(GeneratedWorld):
    """The same market up to a moment; the bar that is being made keeps its open, all else differs."""

    def __init__(self, moment: int) -> None:
        super().__init__(7, 0.35, (BTC,), history_days=28, future_days=14)
        base = super().candles(BTC, Timeframe.M5, None, None)
        keep = base.close_ms <= moment
        begun = base.open_ms < moment
        self._candles = {
            ("BTC", Timeframe.M5): Candles(
                Timeframe.M5,
                base.open_ms,
                np.where(begun, base.open, 1.0),
                np.where(keep, base.high, 9e9),
                np.where(keep, base.low, 1e-9),
                np.where(keep, base.close, 7.0),
                np.where(keep, base.volume, 1e12),
            )
        }


def shown(view: View, timeframe: Timeframe) -> list[object]:
    whole = view.candles(BTC, timeframe, None, None)
    newest, oldest = view.last_page(BTC, timeframe, None, 50), view.first_page(BTC, timeframe, 0, None, 10)
    funding = [column.tolist() for column in view.funding(BTC, 0, 2**60)]
    return [whole.digest(), newest.digest(), oldest.digest(), funding, view.day(BTC), view.last_price(BTC)]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    offset=st.one_of(
        st.integers(-20 * DAY_MS, 10 * DAY_MS),
        st.integers(-20 * 24, 10 * 24).map(lambda hours: hours * HOUR_MS),
    ),
    timeframe=st.sampled_from([Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.D1, Timeframe.W1]),
)
def test_trap_a30_20_nothing_later_than_the_clock_is_served(offset: int, timeframe: Timeframe) -> None:
    now = SHORT.clock_start_ms + offset
    assert shown(View(SHORT, now), timeframe) == shown(View(Forged(now), now), timeframe)
    whole = View(SHORT, now).candles(BTC, timeframe, None, None)
    assert int(whole.open_ms[-1]) < now
    assert int(whole.close_ms[-2]) <= now


def test_trap_a30_25_the_forming_candle_is_not_the_final_one(world: GeneratedWorld) -> None:
    opened = world.clock_start_ms
    final = world.candles(BTC, Timeframe.H1, opened, opened + 1)
    volumes = []
    for minutes in range(5, 60, 5):
        forming = View(world, opened + minutes * 60_000).last_page(BTC, Timeframe.H1, None, 1)
        assert forming.open_ms.tolist() == [opened]
        assert forming.open[0] == final.open[0]
        assert final.low[0] <= forming.low[0] <= forming.high[0] <= final.high[0]
        volumes.append(forming.volume[0])
    assert volumes == sorted(volumes)
    assert View(world, opened + HOUR_MS).last_page(BTC, Timeframe.H1, None, 1).digest() == final.digest()


def test_a_base_candle_in_the_making_shows_its_open_alone(world: GeneratedWorld) -> None:
    now = world.clock_start_ms + 60_000
    stub = View(world, now).last_page(BTC, Timeframe.M5, None, 1)
    assert stub.open[0] == stub.high[0] == stub.low[0] == stub.close[0]
    assert stub.volume[0] == 0


def test_at_the_very_open_there_is_no_forming_candle_yet(world: GeneratedWorld) -> None:
    newest = View(world, world.clock_start_ms).last_page(BTC, Timeframe.H1, None, 1)
    assert newest.open_ms.tolist() == [world.clock_start_ms - HOUR_MS]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(limit=st.integers(1, 400), offset_ms=st.integers(0, 2 * DAY_MS))
def test_pages_from_the_front_make_up_the_whole(limit: int, offset_ms: int) -> None:
    view = View(SHORT, SHORT.clock_start_ms + offset_ms)
    since, rows = SHORT.clock_start_ms - 10 * DAY_MS, 0
    whole = view.candles(BTC, Timeframe.H1, since, None)
    while len(page := view.first_page(BTC, Timeframe.H1, since, None, limit)):
        assert len(page) <= limit
        assert page.digest() == whole.slice(rows, rows + len(page)).digest()
        rows, since = rows + len(page), int(page.open_ms[-1]) + 1
    assert rows == len(whole)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(limit=st.integers(1, 400), back_ms=st.integers(-HOUR_MS, 12 * DAY_MS))
def test_a_page_from_the_back_is_the_tail(limit: int, back_ms: int) -> None:
    view = View(SHORT, SHORT.clock_start_ms + 1_800_000)
    until = view.now - back_ms
    whole = view.candles(BTC, Timeframe.H1, None, until)
    page = view.last_page(BTC, Timeframe.H1, until, limit)
    assert page.digest() == whole.slice(max(0, len(whole) - limit)).digest()


def test_the_day_is_that_of_its_candles(world: GeneratedWorld) -> None:
    view = View(world, world.clock_start_ms)
    day = view.day(BTC)
    candle = world.candles(BTC, Timeframe.D1, view.now - DAY_MS, view.now)
    assert day is not None
    assert (day.open, day.high, day.low, day.last) == (
        candle.open[0],
        candle.high[0],
        candle.low[0],
        candle.close[0],
    )
    assert day.volume_base == pytest.approx(candle.volume[0])


def test_before_the_first_candle_there_is_no_price(world: GeneratedWorld) -> None:
    view = View(world, world.start_ms)
    assert view.day(BTC) is None
    assert view.last_price(BTC) is None
    assert len(view.candles(BTC, Timeframe.H1, None, None)) == 0


def test_venues_list_only_what_they_have(world: GeneratedWorld) -> None:
    view = View(world, world.clock_start_ms)
    found = view.find("bybit", BTC.market, "BTCUSDT")
    assert isinstance(found, Instrument)
    assert found.venue == "bybit"
    assert view.find("binance", BTC.market, "XRPUSDT") is None
