"""The collector against the simulated exchange: depth, increments, closing proof, corrections, gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from structlog.testing import capture_logs

from sereno.core.candle import Candle, Candles
from sereno.core.errors import FixConfig, StopTrading
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, iso
from sereno.market import gaps
from sereno.market.cycle import SeriesStatus
from sereno.market.quality import Defect
from sereno.market.venues.ccxt_venue import CcxtVenue
from sereno.sim.faults import Fault, FaultKind
from sereno.store.lake import Lake
from sereno.store.lake_words import Origin
from sereno.store.objects import LocalObjects, Objects, Stored
from tests.market.conftest import BTC, Exchange
from tests.market.worlds import NOW, hourly_world, rows, same, walk

Make = Callable[..., Exchange]
HOURLY = Series(BTC, Timeframe.H1)
KLINES = "/api/v3/klines"


def truth(place: Exchange, *, until: int = NOW) -> Candles:
    """What the lake must hold: the table from the set depth up to the last closed candle."""
    start = Timeframe.H1.floor(NOW - place.candles.depth_days * DAY_MS)
    return place.world.tables["BTC", Timeframe.H1].between(start, until - until % HOUR_MS)


def test_back_fills_to_the_set_depth_in_pages(exchange: Make) -> None:
    place = exchange(depth_days=20, page_rows=100)
    told: list[tuple[str, int, int]] = []
    report = place.collect(progress=lambda *step: told.append(step))
    assert same(place.lake.candles(HOURLY), truth(place))
    (result,) = report.results
    assert result.status is SeriesStatus.OK
    assert result.rows_added == report.rows_added == 480
    assert result.newest_open_ms == Timeframe.H1.last_closed_open(NOW)
    assert (report.alert, report.offset_ms, result.error) == (False, 0, None)
    assert [done for _, done, _ in told] == [100, 200, 300, 400, 480]
    assert {key for key, _, _ in told} == {HOURLY.key}
    assert {total for _, _, total in told} == {480}


@pytest.mark.parametrize(("venue", "market"), [("binance", Market.LINEAR), ("bybit", Market.LINEAR)])
def test_other_venues_give_the_same(exchange: Make, venue: str, market: Market) -> None:
    place = exchange()
    place.instruments = (replace(BTC, venue=venue, market=market),)
    place.collect(place.venue(venue, market))
    assert same(place.lake.candles(Series(place.instruments[0], Timeframe.H1)), truth(place))


def test_every_timeframe_has_its_own_depth(exchange: Make) -> None:
    place = exchange(beside=("1d",), depth_days=10)
    report = place.collect()
    assert {r.series.timeframe: r.rows_added for r in report.results} == {Timeframe.H1: 240, Timeframe.D1: 10}


def test_a_second_cycle_adds_nothing(exchange: Make) -> None:
    place = exchange()
    place.collect()
    (result,) = place.collect().results
    assert (result.rows_added, result.corrections, result.status) == (0, 0, SeriesStatus.OK)
    assert same(place.lake.candles(HOURLY), truth(place))


def test_trap_ami_b12_4_increments_take_what_has_closed_since(exchange: Make) -> None:
    place = exchange()
    place.collect()
    place.to(NOW + 5 * HOUR_MS)
    assert place.collect().rows_added == 5
    assert same(place.lake.candles(HOURLY), truth(place, until=NOW + 5 * HOUR_MS))


def test_trap_e4_1_an_unfinished_candle_is_never_stored(exchange: Make) -> None:
    place = exchange()
    for minute in (0, 29, 30, 31, 45, 89, 90, 91):
        place.to(NOW + minute * 60_000)
        place.collect()
        newest = place.lake.extent(HOURLY)
        assert newest is not None
        assert newest.last_open_ms + HOUR_MS <= place.clock.now_ms()
    assert same(place.lake.candles(HOURLY), truth(place, until=place.clock.now_ms()))


def test_a_candle_settles_before_it_counts_unless_its_successor_is_there(exchange: Make) -> None:
    place = exchange(settle_s=600.0)
    hour = NOW - NOW % HOUR_MS + HOUR_MS
    place.to(hour - 1)
    place.collect()
    place.to(hour)
    assert place.collect().rows_added == 0
    place.to(hour + 1)  # the successor has begun
    assert place.collect().rows_added == 1


def test_trap_a12_2_a_frozen_candle_is_corrected_and_its_old_value_kept(exchange: Make) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.UNCLOSED, path=KLINES, times=0))
    place.collect()
    place.simulator.faults.clear()
    wrong = place.lake.candles(HOURLY)
    assert not same(wrong, truth(place))
    place.to(NOW + HOUR_MS)
    (result,) = place.collect().results
    assert (result.rows_added, result.corrections) == (1, result.corrections)
    assert result.corrections >= 1
    right = place.lake.candles(HOURLY)
    assert right.close[-2] == truth(place, until=NOW + HOUR_MS).close[-2]
    noted = place.lake.corrections(HOURLY)[-1]
    assert noted.new.close == right.close[-2]
    assert noted.old.close == wrong.close[-1]


def test_an_outage_of_the_venue_is_recorded_once_and_not_asked_for_again(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    table = world.tables["BTC", Timeframe.H1]
    keep = np.ones(len(table), dtype=bool)
    keep[-200:-190] = keep[-150] = False
    world.tables["BTC", Timeframe.H1] = rows(table, keep)
    place = exchange(world)
    (first,) = place.collect().results
    assert (first.status, first.gaps_unrepairable, first.gaps_repaired) == (SeriesStatus.OK, 0, 0)
    (result,) = place.collect().results
    assert (result.status, result.gaps_unrepairable, result.gaps_repaired) == (SeriesStatus.OK, 2, 0)
    assert [gap.reason for gap in place.lake.known_gaps(HOURLY)] == [gaps.NOTHING_THERE] * 2
    assert same(place.lake.candles(HOURLY), truth(place))

    asked: list[int] = []
    venue = place.venue()
    original = venue.candles

    async def counted(*question: object):
        asked.append(1)
        return await original(*question)  # type: ignore[arg-type]

    venue.candles = counted  # type: ignore[method-assign]
    (again,) = place.collect(venue).results
    assert (again.gaps_unrepairable, len(asked)) == (0, 1)


def test_history_that_the_venue_fills_in_later_is_picked_up_within_a_week(exchange: Make) -> None:
    world = hourly_world("BTC/USDT", future_days=30)
    whole = world.tables["BTC", Timeframe.H1]
    keep = np.ones(len(whole), dtype=bool)
    start = int(np.searchsorted(whole.open_ms, NOW))
    keep[[start - 200, start - 150, start - 100]] = False
    holed = rows(whole, keep)
    world.tables["BTC", Timeframe.H1] = holed
    place = exchange(world)
    place.collect()
    place.collect()
    assert [gap.reason for gap in place.lake.known_gaps(HOURLY)] == [gaps.NOTHING_THERE] * 3
    keep[start - 150] = True
    world.tables["BTC", Timeframe.H1] = rows(whole, keep)
    place.to(NOW + 7 * DAY_MS - 1)
    assert place.collect().results[0].gaps_repaired == 0
    place.to(NOW + 7 * DAY_MS)
    (result,) = place.collect().results
    assert (result.gaps_repaired, result.gaps_unrepairable) == (1, 2)
    assert same(place.lake.candles(HOURLY), truth(place, until=place.clock.now_ms()))
    asked = {gap.asked_ms for gap in place.lake.known_gaps(HOURLY)}
    assert (len(place.lake.known_gaps(HOURLY)), asked) == (2, {NOW + 7 * DAY_MS})
    place.to(NOW + 8 * DAY_MS)
    (quiet,) = place.collect().results
    assert (quiet.gaps_repaired, quiet.gaps_unrepairable) == (0, 0), "not before another week is over"


def test_only_a_few_old_holes_are_asked_for_in_one_cycle(exchange: Make) -> None:
    world = hourly_world("BTC/USDT", future_days=30)
    whole = world.tables["BTC", Timeframe.H1]
    keep = np.ones(len(whole), dtype=bool)
    start = int(np.searchsorted(whole.open_ms, NOW))
    keep[start - 200 : start - 100 : 10] = False
    world.tables["BTC", Timeframe.H1] = rows(whole, keep)
    place = exchange(world)
    assert [place.collect().results[0].gaps_unrepairable for _ in range(2)] == [0, 10]
    place.to(NOW + 7 * DAY_MS)
    asked = [place.collect().results[0].gaps_unrepairable for _ in range(3)]
    assert asked == [5, 5, 0]


def test_a_listing_that_moves_into_the_past_is_followed(exchange: Make) -> None:
    world = hourly_world("BTC/USDT", days=25, future_days=30)
    whole = world.tables["BTC", Timeframe.H1]
    world.tables["BTC", Timeframe.H1] = whole.between(NOW - 10 * DAY_MS, None)
    place = exchange(world, depth_days=20)
    assert place.collect().rows_added == 239
    world.tables["BTC", Timeframe.H1] = whole
    place.to(NOW + DAY_MS)
    assert place.collect().rows_added == 24
    place.to(NOW + 7 * DAY_MS)
    place.collect()
    oldest = place.lake.extent(HOURLY)
    assert oldest is not None
    assert oldest.first_open_ms == Timeframe.H1.floor(NOW + 7 * DAY_MS - 20 * DAY_MS)


def test_a_young_hole_is_asked_for_until_it_is_a_day_old(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    whole = world.tables["BTC", Timeframe.H1]
    hole_ms = NOW - NOW % HOUR_MS - 10 * HOUR_MS
    world.tables["BTC", Timeframe.H1] = rows(whole, whole.open_ms != hole_ms)
    place = exchange(world)
    for _ in range(3):
        (result,) = place.collect().results
        assert (result.gaps_unrepairable, place.lake.known_gaps(HOURLY)) == (0, ())
    place.to(hole_ms + HOUR_MS + DAY_MS - 1)
    assert place.collect().results[0].gaps_unrepairable == 0
    place.to(hole_ms + HOUR_MS + DAY_MS)
    assert [place.collect().results[0].gaps_unrepairable for _ in range(2)] == [0, 1]
    assert [gap.first_open_ms for gap in place.lake.known_gaps(HOURLY)] == [hole_ms]


def test_a_young_hole_that_the_venue_fills_later_is_repaired(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    whole = world.tables["BTC", Timeframe.H1]
    world.tables["BTC", Timeframe.H1] = rows(whole, whole.open_ms != NOW - NOW % HOUR_MS - 10 * HOUR_MS)
    place = exchange(world)
    place.collect()
    world.tables["BTC", Timeframe.H1] = whole
    assert place.collect().results[0].gaps_repaired == 1
    assert same(place.lake.candles(HOURLY), truth(place))


def test_a_hole_in_one_reply_is_repaired_in_the_same_cycle(exchange: Make) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.MISSING, path=KLINES, times=2))
    (result,) = place.collect().results
    assert result.gaps_repaired == 40
    assert place.lake.known_gaps(HOURLY) == ()
    assert same(place.lake.candles(HOURLY), truth(place))


def pages_without_candles(place: Exchange, *numbers: int) -> CcxtVenue:
    """A venue that answers the pages of these numbers, counted from 0, with nothing."""
    venue = place.venue()
    original, asked = venue.candles, count()

    async def some(*question: object) -> list[Candle]:
        told = await original(*question)  # type: ignore[arg-type]
        return [] if next(asked) in numbers else told

    venue.candles = some  # type: ignore[method-assign]
    return venue


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param((2, 5), id="a page in the middle and the repair"),
        pytest.param((0, 5), id="the first page and the question for the listing"),
    ],
)
def test_a_bad_minute_of_the_venue_is_no_hole_in_its_history(exchange: Make, empty: tuple[int, ...]) -> None:
    place = exchange(depth_days=20, page_rows=100)
    (first,) = place.collect(pages_without_candles(place, *empty)).results
    assert (first.status, first.rows_added, first.gaps_unrepairable) == (SeriesStatus.OK, 380, 0)
    assert [gap.reason for gap in place.lake.known_gaps(HOURLY)] == [gaps.ASKED_ONCE]
    place.collect()
    assert same(place.lake.candles(HOURLY), truth(place))
    assert place.lake.known_gaps(HOURLY) == ()


def test_a_large_hole_that_is_given_up_is_told(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    whole = world.tables["BTC", Timeframe.H1]
    keep = np.ones(len(whole), dtype=bool)
    keep[-300:-200] = keep[-150:-51] = False
    world.tables["BTC", Timeframe.H1] = rows(whole, keep)
    place = exchange(world)
    with capture_logs() as logs:
        place.collect()
        assert [one for one in logs if one["event"] == "candles.gap"] == []
        place.collect()
    (told,) = [one for one in logs if one["event"] == "candles.gap"]
    assert (told["log_level"], told["series"], told["missing_bars"]) == ("warning", HOURLY.key, 100)
    assert told["first"] == iso(int(whole.open_ms[-300]))


def test_before_the_listing_is_no_gap(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", days=5), depth_days=30)
    (result,) = place.collect().results
    assert (result.rows_added, result.gaps_unrepairable, result.status) == (120, 0, SeriesStatus.OK)
    (known,) = place.lake.known_gaps(HOURLY)
    assert known.reason == gaps.BEFORE_LISTING
    assert known.last_open_ms == place.world.start_ms - HOUR_MS


@pytest.mark.parametrize("market", list(Market))
def test_before_the_listing_windows_are_walked_over(exchange: Make, market: Market) -> None:
    place = exchange(hourly_world("BTC/USDT", days=5), depth_days=30)
    place.instruments = (replace(BTC, venue="bybit", market=market),)
    (result,) = place.collect(place.venue("bybit", market)).results
    assert (result.rows_added, result.status) == (120, SeriesStatus.OK)


def test_more_depth_fills_the_past(exchange: Make) -> None:
    place = exchange(depth_days=5)
    place.collect()
    place.candles = place.candles.model_copy(update={"depth_days": 15})
    assert place.collect().rows_added == 240
    assert same(place.lake.candles(HOURLY), truth(place))
    assert place.lake.known_gaps(HOURLY) == ()


@pytest.mark.parametrize(("month", "later_ms"), [(0, DAY_MS), (1, 0)])
def test_a_damaged_file_is_collected_again(exchange: Make, tmp_path, month: int, later_ms: int) -> None:
    """One that the cycle goes on in at once, an older one within a day."""
    place = exchange(depth_days=29)
    for _ in range(2):
        place.collect()
    before = place.lake.candles(HOURLY)
    files = sorted(p for p in tmp_path.rglob("*.parquet") if "quarantine" not in str(p))
    assert len(files) == 2
    files[month].write_bytes(files[month].read_bytes()[:-40])
    place.to(NOW + later_ms)
    (result,) = place.collect().results
    assert result.status is SeriesStatus.OK
    assert result.rows_added > later_ms // HOUR_MS
    assert same(place.lake.candles(HOURLY, None, int(before.close_ms[-1])), before)


class Looked:
    """A store that remembers which objects were fetched."""

    def __init__(self, inner: Objects) -> None:
        self._inner = inner
        self.got: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def get(self, key: str) -> Stored | None:
        self.got.append(key.rpartition("/")[2])
        return self._inner.get(key)


def test_a_cycle_fetches_the_month_that_it_goes_on_in_and_all_once_a_day(exchange: Make, tmp_path) -> None:
    place = exchange(depth_days=29)
    store = Looked(LocalObjects(tmp_path / "looked"))
    place.lake = Lake(store, origin=Origin.SYNTHETIC)  # type: ignore[arg-type]
    place.collect()
    fetched = []
    for later_ms in (0, HOUR_MS, 2 * HOUR_MS, DAY_MS, DAY_MS + HOUR_MS):
        place.to(NOW + later_ms)
        store.got.clear()
        place.collect()
        fetched.append({name for name in store.got if name.endswith(".parquet")})
    newest, both = {"2024-03.parquet"}, {"2024-02.parquet", "2024-03.parquet"}
    assert fetched == [both, newest, newest, both, newest]
    store.got.clear()
    place.lake.candles(HOURLY)
    assert sorted(store.got) == sorted([*both, "manifest.json", "manifest.json"])


def test_empty_history_is_a_failure_with_a_name(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", "ETH/USDT"))
    place.simulator.faults.inject(Fault(FaultKind.EMPTY, path=KLINES, symbol="ETHUSDT", times=0))
    report = place.collect()
    assert [r.status for r in report.results] == [SeriesStatus.OK, SeriesStatus.FAILED]
    assert "venue.empty_history" in str(report.results[1].error)
    assert place.lake.known_gaps(Series(place.instruments[1], Timeframe.H1)) == ()


def test_an_empty_timeframe_beside_the_traded_ones_is_skipped(exchange: Make) -> None:
    world = hourly_world("BTC/USDT", days=30)
    world.tables["BTC", Timeframe.M15] = walk(Timeframe.M15, world.start_ms, 10)
    place = exchange(world, beside=("15m",), depth_days_below_1h=20)
    report = place.collect()
    assert [r.status for r in report.results] == [SeriesStatus.OK, SeriesStatus.SKIPPED]
    assert "venue.empty_history" in str(report.results[1].error)


def test_a_first_candle_that_has_not_closed_yet_is_no_failure(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    world.tables["BTC", Timeframe.H1] = world.tables["BTC", Timeframe.H1].between(NOW - NOW % HOUR_MS, None)
    (result,) = exchange(world).collect().results
    assert result.status is SeriesStatus.SKIPPED
    assert "venue.too_young" in str(result.error)


def test_trap_e4_15_one_failing_instrument_stops_no_other_and_is_no_success(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", "ETH/USDT", "SOL/USDT"))
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, symbol="ETHUSDT", status=500, times=0))
    report = place.collect()
    assert {r.series.instrument.base: r.status.value for r in report.results} == {
        "BTC": "ok",
        "ETH": "failed",
        "SOL": "ok",
    }
    assert not report.alert
    (failed,) = report.of(SeriesStatus.FAILED)
    assert "venue.unavailable" in str(failed.error)
    assert report.details()["series"][failed.series.key]["status"] == "failed"  # type: ignore[index]


def test_an_instrument_that_does_not_exist_fails_alone(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", "ETH/USDT"))
    place.instruments = (*place.instruments, Instrument("binance", Market.SPOT, "NOSUCH", "USDT"))
    report = place.collect()
    (failed,) = report.of(SeriesStatus.FAILED)
    assert "venue.unknown_instrument" in str(failed.error)
    assert not report.alert


def test_more_than_half_failing_is_an_alert(exchange: Make) -> None:
    place = exchange(hourly_world("BTC/USDT", "ETH/USDT", "SOL/USDT"))
    for symbol in ("ETHUSDT", "SOLUSDT"):
        place.simulator.faults.inject(
            Fault(FaultKind.STATUS, path=KLINES, symbol=symbol, status=500, times=0)
        )
    report = place.collect()
    assert report.alert
    assert len(report.of(SeriesStatus.OK)) == 1


def test_trap_ami_b12_7_an_unreachable_venue_is_a_report_in_which_all_failed(exchange: Make) -> None:
    place = exchange()
    report = place.collect(place.venue(base_url="http://127.0.0.1:9"))
    assert report.alert
    assert report.offset_ms is None
    assert "venue.unreachable" in str(report.results[0].error)
    assert place.lake.extent(HOURLY) is None


@pytest.mark.parametrize("offset_ms", [30_000, -30_000])
def test_a_clock_that_is_off_stops_everything(exchange: Make, offset_ms: int) -> None:
    place = exchange()
    place.simulator.faults.inject(
        Fault(FaultKind.CLOCK_OFFSET, path="/api/v3/time", offset_ms=offset_ms, times=0)
    )
    with pytest.raises(StopTrading, match=r"clock\.offset") as caught:
        place.collect()
    assert caught.value.fields["offset_ms"] == offset_ms
    assert place.lake.extent(HOURLY) is None


def test_a_small_offset_is_measured_and_allowed_for(exchange: Make) -> None:
    place = exchange()
    place.simulator.faults.inject(
        Fault(FaultKind.CLOCK_OFFSET, path="/api/v3/time", offset_ms=-4_000, times=0)
    )
    assert place.collect().offset_ms == -4_000


def test_trap_ami_b12_7_a_refused_key_ends_the_cycle(exchange: Make) -> None:
    place = exchange()
    body = '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'
    place.simulator.faults.inject(Fault(FaultKind.STATUS, path=KLINES, status=401, body=body, times=0))
    with pytest.raises(FixConfig, match=r"venue\.refused_key"):
        place.collect()


def test_rules_are_handed_on(exchange: Make) -> None:
    place = exchange()
    told: list[object] = []
    place.collect(on_rules=told.append)
    assert [list(rules) for rules in told] == [[BTC]]  # type: ignore[call-overload]


BAD = [
    (FaultKind.NAN, Defect.NOT_A_NUMBER),
    (FaultKind.NEGATIVE, Defect.NOT_POSITIVE),
    (FaultKind.ABSURD, Defect.ABSURD_PRICE),
    (FaultKind.INCONSISTENT, Defect.OHLC_RELATION),
    (FaultKind.DUPLICATES, Defect.DUPLICATE),
    (FaultKind.FUTURE, Defect.IN_THE_FUTURE),
]


@pytest.mark.parametrize(("kind", "defect"), BAD)
def test_trap_ami_b12_9_bad_rows_are_reported_never_stored_and_asked_for_again(
    exchange: Make, kind: FaultKind, defect: Defect
) -> None:
    place = exchange(page_rows=1000)
    place.simulator.faults.inject(Fault(kind, path=KLINES, times=1))
    (result,) = place.collect().results
    assert defect in {finding.defect for finding in result.findings if finding.dropped}
    assert same(place.lake.candles(HOURLY), truth(place))
    assert place.lake.known_gaps(HOURLY) == ()


def test_shuffled_candles_are_put_in_order(exchange: Make) -> None:
    place = exchange()
    place.simulator.faults.inject(Fault(FaultKind.OUT_OF_ORDER, path=KLINES, times=0))
    place.collect()
    assert same(place.lake.candles(HOURLY), truth(place))


def test_rows_that_stay_unusable_are_given_up_in_the_second_cycle(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    world.tables["BTC", Timeframe.H1].low[-150] = -1.0
    place = exchange(world)
    (first,) = place.collect().results
    assert first.gaps_unrepairable == 0
    (second,) = place.collect().results
    assert second.gaps_unrepairable == 1
    assert [gap.reason for gap in place.lake.known_gaps(HOURLY)] == [gaps.UNUSABLE]


def test_jumps_and_silence_are_reported_and_stored(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    table = world.tables["BTC", Timeframe.H1]
    for name in ("open", "high", "low", "close"):
        getattr(table, name)[-200:] *= 2
    table.volume[-140:-100] = 0.0
    place = exchange(world)
    (result,) = place.collect().results
    found = {finding.defect: finding for finding in result.findings}
    assert found[Defect.JUMP].rows == 1
    assert found[Defect.ZERO_VOLUME_RUN].rows == 40
    assert not any(finding.dropped for finding in result.findings)
    assert same(place.lake.candles(HOURLY), truth(place))


def test_a_jump_is_reported_in_the_cycle_that_brings_it_and_no_other(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    table = world.tables["BTC", Timeframe.H1]
    first_new = int(np.searchsorted(table.open_ms, NOW - NOW % HOUR_MS))
    for name in ("open", "high", "low", "close"):
        getattr(table, name)[first_new:] *= 2
    place = exchange(world)
    jumps = []
    for hours in range(3):
        place.to(NOW + hours * HOUR_MS)
        (result,) = place.collect().results
        jumps.append(sum(f.rows for f in result.findings if f.defect is Defect.JUMP))
    assert jumps == [0, 1, 0]


def test_a_market_that_stands_still_is_stale(exchange: Make) -> None:
    world = hourly_world("BTC/USDT")
    table = world.tables["BTC", Timeframe.H1]
    world.tables["BTC", Timeframe.H1] = table.between(None, NOW - 10 * HOUR_MS)
    (result,) = exchange(world).collect().results
    assert Defect.STALE in {finding.defect for finding in result.findings}
