"""Changes of the price level by more than 20 times: believed when confirmed, and never lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.instrument import Series
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.market import gaps
from sereno.market.cycle import SeriesStatus
from sereno.market.levels import FAR_RATIO, judge
from sereno.market.quality import Defect, QualityFinding
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, rows, same

Make = Callable[..., Exchange]
HOURLY = Series(BTC, Timeframe.H1)
FORMING = NOW - NOW % HOUR_MS
PRICES = ("open", "high", "low", "close")


def table_of(place: Exchange) -> Candles:
    return place.world.tables["BTC", Timeframe.H1]


def change(place: Exchange, mask: np.ndarray, ratio: float, *, names: tuple[str, ...] = PRICES) -> None:
    """The venue tells other prices from now on, on its grid."""
    table = rows(table_of(place), np.arange(len(table_of(place))))
    for name in names:
        column = getattr(table, name)
        column[mask] = np.round(column[mask] * ratio, 2)
    place.world.tables["BTC", Timeframe.H1] = table


def truth(place: Exchange) -> Candles:
    start = Timeframe.H1.floor(NOW - place.candles.depth_days * DAY_MS)
    now = place.clock.now_ms()
    return table_of(place).between(start, now - now % HOUR_MS)


def told(place: Exchange) -> dict[Defect, QualityFinding]:
    (result,) = place.collect().results
    assert result.status is SeriesStatus.OK
    return {finding.defect: finding for finding in result.findings}


@pytest.mark.parametrize("ratio", [50.0, 1 / 40])
def test_a_redenomination_is_stored_as_soon_as_it_has_closed(exchange: Make, ratio: float) -> None:
    """The candle that is forming confirms the one that has just closed."""
    place = exchange()
    place.collect()
    change(place, table_of(place).open_ms >= FORMING, ratio)
    place.to(FORMING + HOUR_MS + 60_000)
    found = told(place)
    assert same(place.lake.candles(HOURLY), truth(place))
    assert place.lake.known_gaps(HOURLY) == ()
    assert (found[Defect.LEVEL_CHANGE].first_ms, found[Defect.LEVEL_CHANGE].rows) == (FORMING, 1)
    times = truth(place).close[-1] / truth(place).close[-2]
    assert found[Defect.LEVEL_CHANGE].detail == f"to {times:.4g} times the level"
    assert not any(finding.dropped for finding in found.values())
    place.to(FORMING + 2 * HOUR_MS + 60_000)
    assert Defect.LEVEL_CHANGE not in told(place), "it is reported once"


def test_without_a_forming_candle_it_waits_for_the_next_one_and_leaves_no_hole(exchange: Make) -> None:
    place = exchange()
    place.collect()
    change(place, table_of(place).open_ms >= FORMING, 50.0)
    whole = table_of(place)
    place.world.tables["BTC", Timeframe.H1] = whole.between(None, FORMING + HOUR_MS)
    place.to(FORMING + HOUR_MS + 60_000)
    found = told(place)
    assert found[Defect.UNCONFIRMED_LEVEL].first_ms == FORMING
    newest = place.lake.extent(HOURLY)
    assert newest is not None
    assert newest.last_open_ms == FORMING - HOUR_MS
    place.world.tables["BTC", Timeframe.H1] = whole.between(None, FORMING + 2 * HOUR_MS)
    place.to(FORMING + 2 * HOUR_MS + 60_000)
    found = told(place)
    assert Defect.LEVEL_CHANGE in found
    assert Defect.UNCONFIRMED_LEVEL not in found
    assert same(place.lake.candles(HOURLY), truth(place))
    assert place.lake.missing(HOURLY, 0, NOW + DAY_MS) == ()


@pytest.mark.parametrize("row", [98, 99, 100, 101, 197, 300])
@pytest.mark.parametrize("ratio", [50.0, 1 / 40])
def test_a_back_fill_keeps_every_candle_wherever_a_page_ends(exchange: Make, row: int, ratio: float) -> None:
    place = exchange(page_rows=100)
    change(place, table_of(place).open_ms >= truth(place).open_ms[row], ratio)
    found = told(place)
    assert same(place.lake.candles(HOURLY), truth(place))
    assert Defect.LEVEL_CHANGE in found
    assert place.lake.known_gaps(HOURLY) == ()


def test_a_collapse_within_one_candle_is_kept(exchange: Make) -> None:
    place = exchange()
    stamp = truth(place).open_ms[150]
    change(place, table_of(place).open_ms > stamp, 1 / 40)
    change(place, table_of(place).open_ms == stamp, 1 / 40, names=("low", "close"))
    told(place)
    assert same(place.lake.candles(HOURLY), truth(place))


def test_a_lone_candle_that_both_sides_contradict_is_a_hole_with_its_reason(exchange: Make) -> None:
    place = exchange()
    sound = truth(place)
    change(place, table_of(place).open_ms == sound.open_ms[150], 50.0)
    assert told(place)[Defect.ABSURD_PRICE].dropped
    assert [gap.reason for gap in place.lake.known_gaps(HOURLY)] == [gaps.ASKED_ONCE]
    told(place)
    (gap,) = place.lake.known_gaps(HOURLY)
    assert (gap.first_open_ms, gap.reason) == (sound.open_ms[150], gaps.UNUSABLE)
    assert same(place.lake.candles(HOURLY), rows(sound, np.arange(len(sound)) != 150))


def test_a_broken_newest_candle_is_collected_once_the_venue_has_mended_it(exchange: Make) -> None:
    place = exchange()
    place.collect()
    sound = table_of(place)
    change(place, sound.open_ms == FORMING, 50.0)
    place.to(FORMING + HOUR_MS + 60_000)
    assert told(place)[Defect.ABSURD_PRICE].first_ms == FORMING
    place.to(FORMING + 2 * HOUR_MS + 60_000)
    told(place)
    assert [gap.first_open_ms for gap in place.lake.missing(HOURLY, 0, NOW + DAY_MS)] == [FORMING]
    place.world.tables["BTC", Timeframe.H1] = sound
    told(place)
    assert same(place.lake.candles(HOURLY), truth(place))


near = st.floats(50.0, 200.0)
far = st.floats(1e-6, 1.0) | st.floats(1e4, 1e9)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(near, min_size=1, max_size=12), far, st.integers(2, 5))
def test_two_candles_of_one_level_are_believed(old: list[float], new: float, count: int) -> None:
    level = [(price, price) for price in [*old, *[new] * count]]
    judged = judge(np.array(level), before=100.0)
    assert not judged.absurd.any()
    assert not judged.waiting.any()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(near, min_size=2, max_size=12), far, st.data())
def test_one_candle_is_not(around: list[float], odd: float, data: st.DataObject) -> None:
    """Between two that agree it is absurd, at the end it waits; no other row is touched."""
    at = data.draw(st.integers(0, len(around)))
    prices = [*around[:at], odd, *around[at:]]
    judged = judge(np.array([(price, price) for price in prices]), before=100.0)
    assert np.flatnonzero(judged.absurd).tolist() == ([at] if at < len(around) else [])
    assert np.flatnonzero(judged.waiting).tolist() == ([at] if at == len(around) else [])


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(near | far, near | far), max_size=12), st.sampled_from([2.0**-20, 2.0**20]))
def test_the_unit_of_the_price_does_not_matter(prices: list[tuple[float, float]], unit: float) -> None:
    table = np.array(prices).reshape(len(prices), 2)
    one, other = judge(table, before=100.0), judge(table * unit, before=100.0 * unit)
    assert (one.absurd == other.absurd).all()
    assert (one.waiting == other.waiting).all()


def test_nothing_before_means_the_first_row_is_believed() -> None:
    listing = np.array([(1.0, 1.0), (100.0, 100.0), (100.0, 101.0)])
    assert not judge(listing, before=None).absurd.any()
    assert judge(listing[:1], before=None).waiting.tolist() == [False]
    assert judge(listing[:1], before=1.0 + FAR_RATIO).waiting.tolist() == [True]
