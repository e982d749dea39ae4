"""The lake's behaviour, the same on a local folder and on a bucket."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candle, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.settings.sections import LakeSettings
from sereno.core.timeframe import HOUR_MS, MINUTE_MS, Timeframe, from_iso
from sereno.store.lake import Appended, Extent, Gap, Lake, Origin, open_lake
from sereno.store.objects import LocalObjects, Objects
from tests.store.lake_world import (
    BTC,
    HOURLY,
    NOW,
    START,
    STORES,
    append,
    at,
    bucket_address,
    candles,
    changed,
    lake_on,
    open_objects,
)

FOLDER = "candles/binance/spot/BTC_USDT/1h"


@pytest.fixture(params=STORES)
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return open_objects(request.param, tmp_path, monkeypatch)


@pytest.fixture
def lake(objects: Objects) -> Lake:
    return lake_on(objects)


@pytest.fixture
def local(tmp_path: Path) -> Lake:
    return lake_on(LocalObjects(tmp_path / "lake"))


# append and read


def test_what_was_appended_is_read_bit_for_bit(lake: Lake, objects: Objects) -> None:
    block = candles(100)
    assert append(lake, block) == Appended(100, 0)
    for reader in (lake, lake_on(objects)):
        assert reader.candles(HOURLY).digest() == block.digest()


def test_trap_b12_17_one_file_a_month_with_a_manifest(lake: Lake, objects: Objects) -> None:
    append(lake, candles(48 + 29 * 24 + 1))
    assert objects.keys(FOLDER) == tuple(
        f"{FOLDER}/{name}"
        for name in ("2024-01.parquet", "2024-02.parquet", "2024-03.parquet", "manifest.json")
    )


def test_the_manifest_tells_rows_bounds_digest_and_provenance(lake: Lake, objects: Objects) -> None:
    lake.append(HOURLY, candles(10), source="binance", mode=Mode.PAPER, now=NOW)
    stored = objects.get(f"{FOLDER}/manifest.json")
    assert stored is not None
    slot = json.loads(stored.data)["manifest"]["files"]["2024-01"]
    assert slot["pending"] is None
    digest = slot["current"].pop("sha256")
    assert len(digest) == 64
    assert slot["current"] == {
        "rows": 10,
        "first_ms": START,
        "last_ms": at(9),
        "source": ["binance"],
        "mode": ["paper"],
        "written_ms": NOW,
    }


def test_r5_every_row_carries_its_provenance(lake: Lake) -> None:
    lake.append(HOURLY, candles(3), source="binance", mode=Mode.PAPER, now=NOW)
    lake.append(HOURLY, candles(5), source="a file", mode=Mode.SIM, now=NOW)
    rows = lake.scan(HOURLY).select("source", "mode").collect().rows()
    assert rows == [("binance", "paper")] * 3 + [("a file", "sim")] * 2


@pytest.mark.parametrize(
    ("since", "until"), [(None, None), (at(5), None), (None, at(60)), (at(5), at(60)), (at(7), at(7))]
)
def test_reads_cover_since_up_to_but_not_until(lake: Lake, since: int | None, until: int | None) -> None:
    block = candles(100)
    append(lake, block)
    wanted = block.between(since, until)
    assert lake.candles(HOURLY, since, until).digest() == wanted.digest()
    scanned = lake.scan(HOURLY, since, until).collect()
    assert scanned["open_ms"].to_list() == wanted.open_ms.tolist()


def test_a_read_touches_only_the_months_it_needs(lake: Lake, objects: Objects) -> None:
    append(lake, candles(100))
    objects.put(f"{FOLDER}/2024-01.parquet", b"rotten")
    assert len(lake.candles(HOURLY, at(48))) == 52
    assert len(lake.candles(HOURLY, at(60), at(61))) == 1


def test_a_scan_is_lazy_and_takes_filters(lake: Lake) -> None:
    append(lake, candles(100))
    frame = lake.scan(HOURLY)
    assert isinstance(frame, pl.LazyFrame)
    assert frame.filter(pl.col("open_ms") >= at(90)).select(pl.len()).collect().item() == 10


def test_nothing_stored_is_empty_not_an_error(lake: Lake) -> None:
    assert len(lake.candles(HOURLY)) == 0
    assert lake.scan(HOURLY).collect().height == 0
    assert lake.extent(HOURLY) is None
    assert lake.series() == ()
    assert lake.corrections(HOURLY) == ()
    assert lake.missing(HOURLY, START, NOW) == ()
    assert lake.known_gaps(HOURLY) == ()
    assert lake.verify(HOURLY) == ()


def test_what_is_read_may_be_written_to_and_changes_nothing_stored(lake: Lake) -> None:
    append(lake, candles(5))
    lake.candles(HOURLY).close[:] = 0.0
    assert lake.candles(HOURLY).digest() == candles(5).digest()


def test_r14_append_is_idempotent(lake: Lake, objects: Objects) -> None:
    append(lake, candles(100))
    before = [objects.get(key) for key in objects.keys("")]
    assert append(lake, candles(100), now=NOW + 1) == Appended(0, 100)
    assert [objects.get(key).data for key in objects.keys("")] == [stored.data for stored in before]  # type: ignore[union-attr]


def test_an_empty_block_changes_nothing(lake: Lake) -> None:
    assert append(lake, Candles.empty(Timeframe.H1)) == Appended(0, 0)
    assert lake.series() == ()


def test_order_of_pages_does_not_matter(lake: Lake) -> None:
    block = candles(100)
    for start, stop in ((60, 80), (0, 20), (90, 100), (10, 70), (75, 95)):
        append(lake, block.slice(start, stop))
    assert lake.candles(HOURLY).digest() == block.digest()
    assert lake.extent(HOURLY) == Extent(100, START, at(99))


def test_series_are_kept_apart(lake: Lake) -> None:
    others = [
        Series(BTC, Timeframe.M15),
        Series(Instrument.parse("ETH/USDT", venue="binance", market=Market.SPOT), Timeframe.H1),
        Series(Instrument.parse("BTC/USDT", venue="binance", market=Market.LINEAR), Timeframe.H1),
        Series(Instrument.parse("BTC/USDT", venue="bybit", market=Market.SPOT), Timeframe.H1),
    ]
    for number, series in enumerate((HOURLY, *others), start=1):
        append(lake, candles(number, timeframe=series.timeframe), series=series)
    assert lake.series() == tuple(sorted((HOURLY, *others)))
    assert [len(lake.candles(series)) for series in (HOURLY, *others)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_every_timeframe_is_stored_on_its_own_grid(local: Lake, timeframe: Timeframe) -> None:
    series = Series(BTC, timeframe)
    block = candles(30, start=timeframe.floor(START), timeframe=timeframe)
    append(local, block, series=series)
    assert local.candles(series).digest() == block.digest()
    assert local.missing(series, 0, NOW) == ()


# bad input


def broken(column: str, row: int, value: float) -> Candles:
    block = candles(6)
    columns = {
        name: getattr(block, name).copy() for name in ("open_ms", "open", "high", "low", "close", "volume")
    }
    columns[column][row] = value
    return Candles(block.timeframe, **columns)


@pytest.mark.parametrize(
    ("block", "row", "fault"),
    [
        (broken("close", 3, np.nan), 3, "close is not finite"),
        (broken("high", 2, np.inf), 2, "high is not finite"),
        (broken("volume", 0, -np.inf), 0, "volume is not finite"),
        (broken("low", 5, -1.0), 5, "low is not above zero"),
        (broken("open", 1, 0.0), 1, "open is not above zero"),
        (broken("volume", 4, -0.1), 4, "volume is negative"),
        (broken("open_ms", 3, at(2)), 3, "open_ms does not rise"),
        (broken("open_ms", 3, at(1)), 3, "open_ms does not rise"),
        (broken("open_ms", 5, at(5) + MINUTE_MS), 5, "open_ms is off the timeframe's grid"),
        (broken("open_ms", 5, NOW), 5, "the candle is not over yet"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(local: Lake, block: Candles, row: int, fault: str) -> None:
    append(local, candles(2))
    with pytest.raises(SkipThis) as refusal:
        append(local, block)
    assert refusal.value.event == "lake.bad_row"
    assert (refusal.value.fields["row"], refusal.value.fields["fault"]) == (row, fault)
    assert len(local.candles(HOURLY)) == 2


def test_columns_of_different_lengths_are_refused(local: Lake) -> None:
    good = candles(3)
    with pytest.raises(SkipThis, match="different lengths"):
        append(
            local,
            Candles(
                good.timeframe, good.open_ms, good.open, good.high, good.low, good.close[:2], good.volume
            ),
        )


def test_candles_of_another_timeframe_are_refused(local: Lake) -> None:
    with pytest.raises(SkipThis, match=r"lake\.wrong_timeframe"):
        append(local, candles(3, timeframe=Timeframe.M15))


def test_trap_e4_1_a_forming_candle_never_enters(local: Lake) -> None:
    block = candles(3)
    with pytest.raises(SkipThis, match="not over yet"):
        append(local, block, now=at(3) - 1)
    assert append(local, block, now=at(3)).added == 3


# corrections


def test_a_changed_closed_candle_is_a_correction_with_the_old_value(lake: Lake, objects: Objects) -> None:
    block = candles(100)
    append(lake, block, now=at(200))
    later = changed(block, 70, by=2.0)
    done = append(lake, later.slice(60, 80), now=at(300), source="second look")
    (told,) = done.corrections
    assert (done.added, done.unchanged) == (0, 19)
    assert (told.open_ms, told.noticed_ms, told.source) == (at(70), at(300), "second look")
    assert (told.old, told.new) == (list(block)[70], list(later)[70])
    assert isinstance(told.old, Candle)
    for reader in (lake, lake_on(objects)):
        assert reader.corrections(HOURLY) == (told,)
        assert reader.candles(HOURLY).digest() == later.digest()
        assert reader.verify(HOURLY) == ()


def test_as_of_takes_back_what_was_noticed_later(lake: Lake) -> None:
    first = candles(100)
    second = changed(first, 10, by=1.0)
    third = changed(changed(second, 10, by=1.0), 70, by=-3.0)
    for moment, block in ((at(200), first), (at(300), second), (at(400), third)):
        append(lake, block, now=moment)
    for as_of, believed in (
        (at(299), first),
        (at(300), second),
        (at(399), second),
        (at(400), third),
        (None, third),
    ):
        assert lake.candles(HOURLY, as_of=as_of).digest() == believed.digest()
    assert lake.candles(HOURLY, at(5), at(20), as_of=at(299)).digest() == first.slice(5, 20).digest()
    assert [told.noticed_ms for told in lake.corrections(HOURLY)] == [at(300), at(400), at(400)]


def test_a_candle_that_changes_back_is_corrected_twice(lake: Lake) -> None:
    block = candles(5)
    for moment, version in ((at(10), block), (at(11), changed(block, 2, by=1.0)), (at(12), block)):
        append(lake, version, now=moment)
    assert len(lake.corrections(HOURLY)) == 2
    assert lake.candles(HOURLY, as_of=at(11)).digest() == changed(block, 2, by=1.0).digest()


def test_trap_b12_3_the_later_copy_of_a_candle_wins(lake: Lake) -> None:
    """A partial candle that slipped in is corrected by the full one, never kept."""
    full = candles(3)
    append(lake, changed(full, 2, by=-0.4))
    append(lake, full)
    assert lake.candles(HOURLY).digest() == full.digest()


def test_trap_a30_15_the_same_candle_read_again_adds_nothing(lake: Lake) -> None:
    for _ in range(5):
        append(lake, candles(20))
    assert lake.extent(HOURLY) == Extent(20, START, at(19))


# gaps


def test_missing_tells_the_holes_between_first_and_last(lake: Lake) -> None:
    block = candles(100)
    for start, stop in ((0, 10), (12, 40), (41, 60), (75, 100)):
        append(lake, block.slice(start, stop))
    holes = [(at(10), at(11)), (at(40), at(40)), (at(60), at(74))]
    assert [(g.first_open_ms, g.last_open_ms) for g in lake.missing(HOURLY, 0, NOW)] == holes
    assert [(g.first_open_ms, g.last_open_ms) for g in lake.missing(HOURLY, at(11), at(70))] == [
        (at(11), at(11)),
        (at(40), at(40)),
        (at(60), at(69)),
    ]
    assert lake.missing(HOURLY, at(12), at(40)) == ()


def test_a_known_gap_is_remembered_and_not_missing(lake: Lake, objects: Objects) -> None:
    block = candles(100)
    append(lake, block.slice(0, 30))
    append(lake, block.slice(60, 100))
    lake.record_gap(HOURLY, Gap(at(30), at(39), "venue was down"))
    lake.record_gap(HOURLY, Gap(at(40), at(44), "venue was down"))
    lake.record_gap(HOURLY, Gap(at(30), at(39), "venue was down"))
    for reader in (lake, lake_on(objects)):
        assert reader.known_gaps(HOURLY) == (Gap(at(30), at(44), "venue was down"),)
        assert reader.missing(HOURLY, 0, NOW) == (Gap(at(45), at(59), "missing"),)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    pages=st.lists(
        st.tuples(st.integers(0, 80), st.integers(1, 30), st.integers(1, 3)), min_size=1, max_size=8
    ),
    gap=st.tuples(st.integers(0, 100), st.integers(0, 10)),
)
def test_law_the_lake_is_a_map_from_open_time_to_the_last_candle_told(
    tmp_path_factory: pytest.TempPathFactory, pages: list[tuple[int, int, int]], gap: tuple[int, int]
) -> None:
    lake = lake_on(LocalObjects(tmp_path_factory.mktemp("law")))
    model: dict[int, Candle] = {}
    for start, count, seed in pages:
        page = candles(count, start=at(start), seed=seed)
        added = sum(candle.open_ms not in model for candle in page)
        different = [c for c in page if c.open_ms in model and model[c.open_ms] != c]
        done = append(lake, page)
        assert (done.added, done.unchanged) == (added, count - added - len(different))
        assert [told.new for told in done.corrections] == different
        assert [told.old for told in done.corrections] == [model[c.open_ms] for c in different]
        model |= {candle.open_ms: candle for candle in page}
    assert list(lake.candles(HOURLY)) == [model[opened] for opened in sorted(model)]
    absent = set(range(min(model), max(model), HOUR_MS)) - set(model)
    lake.record_gap(HOURLY, Gap(at(gap[0]), at(gap[0] + gap[1]), "known"))
    absent -= set(range(at(gap[0]), at(gap[0] + gap[1]) + 1, HOUR_MS))
    told_missing = [
        opened
        for hole in lake.missing(HOURLY, 0, NOW)
        for opened in range(hole.first_open_ms, hole.last_open_ms + 1, HOUR_MS)
    ]
    assert told_missing == sorted(absent)


# origin and settings


def test_trap_a30_23_r5_synthetic_and_real_never_share_a_lake(objects: Objects) -> None:
    Lake(objects, origin=Origin.SYNTHETIC)
    Lake(objects, origin=Origin.SYNTHETIC)
    with pytest.raises(FixConfig, match=r"lake\.other_origin"):
        Lake(objects, origin=Origin.REAL)


def test_trap_a30_18_data_without_a_mark_are_not_taken_for_real(lake: Lake, objects: Objects) -> None:
    append(lake, candles(3))
    objects.move("lake.json", "elsewhere")
    with pytest.raises(FixConfig, match=r"lake\.unmarked"):
        lake_on(objects)
    with pytest.raises(FixConfig, match=r"lake\.unmarked"):
        lake.ping()


@pytest.mark.parametrize("empty", [False, True], ids=["moved away", "unmounted"])
def test_a_lake_that_vanishes_is_not_begun_anew_by_who_runs(tmp_path: Path, *, empty: bool) -> None:
    place = tmp_path / "lake"
    lake = lake_on(LocalObjects(place))
    append(lake, candles(3))
    place.rename(tmp_path / "away")
    if empty:
        place.mkdir()  # the bare mount point
    gap = Gap(at(10), at(11), "venue")
    for write in (
        lambda: append(lake, candles(5)),
        lambda: append(lake, candles(5, timeframe=Timeframe.D1), series=Series(BTC, Timeframe.D1)),
        lambda: lake.record_gap(HOURLY, gap),
        lambda: lake.verify(HOURLY),
        lake.prove_writable,
    ):
        with pytest.raises(FixConfig, match=r"lake\.unmarked"):
            write()
    assert list(tmp_path.rglob("lake/*")) == []
    if empty:
        place.rmdir()
    (tmp_path / "away").rename(place)
    append(lake, candles(5))
    lake.prove_writable()
    assert len(lake_on(LocalObjects(place)).candles(HOURLY)) == 5


def test_what_the_remedy_says_mends_a_lost_mark(lake: Lake, objects: Objects) -> None:
    append(lake, candles(3))
    objects.move("lake.json", "elsewhere")
    with pytest.raises(FixConfig) as refusal:
        append(lake, candles(5))
    told = re.search(r"\{.*\}", refusal.value.remedy)
    assert told
    objects.put("lake.json", told[0].encode())
    append(lake, candles(5))
    assert len(lake_on(objects).candles(HOURLY)) == 5


@pytest.mark.parametrize("mark", [b"", b"{}", b"[]", b'{"origin":"else"}', b"\xff"])
def test_an_unreadable_mark_is_for_a_person_to_mend(objects: Objects, mark: bytes) -> None:
    objects.put("lake.json", mark)
    with pytest.raises(FixConfig, match=r"lake\.unmarked"):
        lake_on(objects)


def test_setting_lake_url_chooses_the_folder(tmp_path: Path) -> None:
    append(open_lake(LakeSettings(), tmp_path / "state", origin=Origin.REAL), candles(1))
    append(
        open_lake(LakeSettings(url=str(tmp_path / "other")), tmp_path / "state", origin=Origin.REAL),
        candles(2),
    )
    assert (tmp_path / "state" / FOLDER / "2024-01.parquet").is_file()
    again = open_lake(LakeSettings(url=str(tmp_path / "other")), tmp_path, origin=Origin.REAL)
    assert len(again.candles(HOURLY)) == 2
    again.ping()


@pytest.mark.parametrize("url", ["http://somewhere/lake", "gs://bucket", "s3:///nowhere"])
def test_setting_lake_url_refuses_what_it_does_not_know(tmp_path: Path, url: str) -> None:
    with pytest.raises(FixConfig, match=r"lake\.url"):
        open_lake(LakeSettings(url=url), tmp_path, origin=Origin.REAL)


def test_settings_lake_url_and_s3_endpoint_choose_the_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_objects("s3", tmp_path, monkeypatch)
    choice = LakeSettings(url="s3://lakes/by-setting", s3_endpoint=bucket_address(), s3_region="eu-west-1")
    append(open_lake(choice, tmp_path, origin=Origin.REAL), candles(4))
    assert len(open_lake(choice, tmp_path, origin=Origin.REAL).candles(HOURLY)) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_month_is_the_months_of_utc(local: Lake, tmp_path: Path) -> None:
    opened = from_iso("2023-12-31T23:00:00Z")
    append(local, candles(2, start=opened))
    names = sorted(path.name for path in (tmp_path / "lake" / FOLDER).glob("*.parquet"))
    assert names == ["2023-12.parquet", "2024-01.parquet"]
