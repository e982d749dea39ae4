"""The lake's memory: at any later time it answers what a reader of an earlier moment was told."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.timeframe import HOUR_MS, UtcMs
from sereno.store.lake import Lake
from sereno.store.objects import LocalObjects
from tests.store.lake_world import HOURLY, append, at, candles, changed, lake_on, rot

FOLDER = "candles/binance/spot/BTC_USDT/1h"
JANUARY = f"{FOLDER}/2024-01.parquet"
MANIFEST = f"{FOLDER}/manifest.json"
OLD_LAKE = Path(__file__).parent / "old_lake"
BLOCK = candles(60)  # 48 candles of January, 12 of February

Page = tuple[
    int, int, int, int
]  # first hour, candles, seed (another one tells them differently), pause in hours

law = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def pages(shortest_pause: int) -> st.SearchStrategy[list[Page]]:
    """Appends at the end, fills, back-fills and corrections, in any order."""
    page = st.tuples(
        st.integers(0, 90), st.integers(1, 25), st.integers(1, 2), st.integers(shortest_pause, 3)
    )
    return st.lists(page, min_size=1, max_size=9)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_on(LocalObjects(tmp_path / "lake"))


def told(lake: Lake, written: list[Page], *, now: UtcMs) -> list[tuple[UtcMs, Candles]]:
    """Write the pages; the moment of each write and what was read right after it."""
    seen = []
    for first, count, seed, pause in written:
        now += pause * HOUR_MS
        append(lake, candles(count, start=at(first), seed=seed), now=now)
        seen.append((now, lake.candles(HOURLY)))
    return seen


def last_before(seen: list[tuple[UtcMs, Candles]], moment: UtcMs) -> Candles:
    return next((read for now, read in reversed(seen) if now <= moment), Candles.empty(HOURLY.timeframe))


@law
@given(written=pages(0), rotten=st.booleans(), since=st.integers(0, 60), bars=st.integers(0, 60))
def test_law_as_of_is_what_was_read_after_the_last_write_by_then(
    tmp_path_factory: pytest.TempPathFactory, written: list[Page], rotten: bool, since: int, bars: int
) -> None:
    lake = lake_on(LocalObjects(tmp_path_factory.mktemp("law")))
    seen = told(lake, written, now=at(200))
    if rotten:
        rot(lake, MANIFEST, "bit")
    reader = lake_on(lake._objects)
    for moment in {now + shift for now, _ in seen for shift in (-1, 0, 1)}:
        read = last_before(seen, moment)
        assert reader.candles(HOURLY, as_of=moment).digest() == read.digest()
        part = reader.candles(HOURLY, at(since), at(since + bars), as_of=moment)
        assert part.digest() == read.between(at(since), at(since + bars)).digest()


@law
@given(written=pages(1))
def test_law_everything_that_was_read_is_among_the_versions(
    tmp_path_factory: pytest.TempPathFactory, written: list[Page]
) -> None:
    """However much older history came later, before the first candle or between the others."""
    lake = lake_on(LocalObjects(tmp_path_factory.mktemp("law")))
    for _, read in told(lake, written, now=at(200)):
        first, last = int(read.open_ms[0]), int(read.open_ms[-1])
        versions = list(lake.past(HOURLY, first, last + 1).versions())
        assert read.digest() in {version.digest() for version in versions}
        assert versions[-1].digest() == lake.candles(HOURLY, first, last + 1).digest()


@settings(law, max_examples=12)
@given(before=pages(1), after=pages(1))
def test_law_a_loss_blurs_only_the_lost_month_and_only_until_it_was_met(
    tmp_path_factory: pytest.TempPathFactory, before: list[Page], after: list[Page]
) -> None:
    lake = lake_on(LocalObjects(tmp_path_factory.mktemp("law")))
    earlier = told(lake, before, now=at(200))
    lake._objects.move(JANUARY, "elsewhere/2024-01.parquet")
    lake.verify(HOURLY)
    for now, read in earlier:
        february = lake.candles(HOURLY, at(48), as_of=now)
        assert february.digest() == read.between(at(48), None).digest()
    later = told(lake, after, now=earlier[-1][0])
    for now, read in later:
        assert lake.candles(HOURLY, as_of=now).digest() == read.digest()
    for now, read in earlier:
        february = lake.candles(HOURLY, at(48), as_of=now)
        assert february.digest() == read.between(at(48), None).digest()


def test_a_candle_that_came_later_is_not_seen_before_it_came(lake: Lake) -> None:
    append(lake, BLOCK.slice(0, 20), now=at(20))
    append(lake, BLOCK.slice(17, 21), now=at(21) + 2_000)
    assert len(lake.candles(HOURLY, as_of=at(21) + 1_999)) == 20
    assert len(lake.candles(HOURLY, as_of=at(21) + 2_000)) == 21
    assert len(lake.candles(HOURLY, as_of=at(20) - 1)) == 0


def test_a_corrected_candle_came_when_it_first_came(lake: Lake) -> None:
    append(lake, BLOCK, now=at(100))
    append(lake, changed(BLOCK, 3, by=1.0), now=at(200))
    assert lake.candles(HOURLY, as_of=at(150)).digest() == BLOCK.digest()


def test_a_hole_that_is_filled_while_the_clock_stands_is_told_apart(lake: Lake) -> None:
    """A stepped clock: collected, read, and repaired at one and the same moment."""
    append(lake, BLOCK.slice(0, 30), now=at(40))
    append(lake, BLOCK.slice(35, 40), now=at(50))
    read = lake.candles(HOURLY)
    append(lake, BLOCK.slice(30, 35), now=at(50))
    append(lake, changed(BLOCK, 7, by=1.0).slice(0, 40), now=at(50))
    assert read.digest() in {v.digest() for v in lake.past(HOURLY, at(0), at(40)).versions()}


def test_no_candles_have_one_version(lake: Lake) -> None:
    assert [len(version) for version in lake.past(HOURLY).versions()] == [0]
    append(lake, BLOCK, now=at(100))
    assert [len(version) for version in lake.past(HOURLY, at(70)).versions()] == [0]
    assert [len(version) for version in lake.past(HOURLY).versions()] == [60]


# what was lost with a damaged file


def lost_and_found(lake: Lake) -> None:
    """All at 100 but a hole that is filled at 110; January lost; February goes on at 120; January again at 130."""
    append(lake, BLOCK.slice(0, 50), now=at(100))
    append(lake, BLOCK.slice(55, 60), now=at(100))
    append(lake, BLOCK.slice(50, 55), now=at(110))
    rot(lake, JANUARY, "bit")
    lake.verify(HOURLY)
    append(lake, candles(65).slice(57), now=at(120))
    append(lake, BLOCK.slice(0, 48), now=at(130))


def test_what_was_lost_and_collected_again_was_there_before_the_loss(lake: Lake) -> None:
    lost_and_found(lake)
    for moment, believed in (
        (105, [*BLOCK.slice(0, 50), *BLOCK.slice(55)]),
        (119, [*BLOCK]),
        (120, [*candles(65).slice(48)]),
        (129, [*candles(65).slice(48)]),
        (130, [*candles(65)]),
    ):
        assert list(lake.candles(HOURLY, as_of=at(moment))) == believed


def test_what_was_read_around_the_loss_is_among_the_versions(lake: Lake) -> None:
    lost_and_found(lake)
    versions = [list(v) for v in lake.past(HOURLY, at(0), at(60)).versions()]
    filled, holed = [*BLOCK], [*BLOCK.slice(0, 50), *BLOCK.slice(55)]
    assert [versions.index(v) for v in (holed, filled, [*BLOCK.slice(48)])] == [0, 1, 2]
    assert versions[-1] == filled


def test_a_range_lost_twice_was_there_until_the_second_loss(lake: Lake) -> None:
    for moment in (100, 200, 300):
        append(lake, BLOCK, now=at(moment))
        assert len(lake.candles(HOURLY)) == 60
        rot(lake, JANUARY, "truncate")
        with pytest.raises(SkipThis, match=r"lake\.damaged"):
            lake.candles(HOURLY)
    append(lake, BLOCK, now=at(400))
    for moment in (150, 250, 350, 450):
        assert len(lake.candles(HOURLY, as_of=at(moment))) == 60
    assert len(lake.past(HOURLY, at(0), at(60)).versions().__next__()) == 60


# formats


@pytest.fixture
def old(tmp_path: Path) -> Lake:
    """A lake that the first format's writer left: a hole at 50 to 54, candle 40 corrected at 80."""
    shutil.copytree(OLD_LAKE, tmp_path / "old")
    return lake_on(LocalObjects(tmp_path / "old"))


def test_a_lake_of_the_first_format_reads_as_it_did(old: Lake) -> None:
    now = changed(BLOCK, 40, by=1.0)
    assert list(old.candles(HOURLY)) == list(now)
    assert old.candles(HOURLY, as_of=at(79)).digest() == BLOCK.digest()
    assert old.verify(HOURLY) == ()
    assert old.scan(HOURLY).collect().height == 60


def test_a_candle_of_the_first_format_counts_from_its_close_on(old: Lake) -> None:
    assert list(old.candles(HOURLY, as_of=at(30))) == list(BLOCK.slice(0, 30))


def test_a_lake_of_the_first_format_goes_on_in_the_second(old: Lake) -> None:
    append(old, candles(65).slice(50), now=at(100))
    append(old, changed(BLOCK, 45, by=2.0).slice(45), now=at(110))
    fresh = lake_on(old._objects)
    assert list(fresh.candles(HOURLY, as_of=at(99))) == list(changed(BLOCK, 40, by=1.0))
    assert len(fresh.candles(HOURLY, as_of=at(100))) == 65
    assert fresh.scan(HOURLY).collect().height == 65
    rot(fresh, MANIFEST, "zeros")
    assert list(fresh.candles(HOURLY, as_of=at(99))) == list(changed(BLOCK, 40, by=1.0))


def test_a_broken_manifest_of_the_first_format_is_made_again(old: Lake) -> None:
    rot(old, MANIFEST, "truncate")
    assert list(old.candles(HOURLY)) == list(changed(BLOCK, 40, by=1.0))
    assert [damage.file for damage in old.verify(HOURLY)] == [MANIFEST]


def test_a_manifest_of_a_newer_format_is_refused_and_nothing_is_put_aside(lake: Lake) -> None:
    append(lake, BLOCK, now=at(100))
    stored = lake._objects.get(MANIFEST)
    assert stored is not None
    body = json.dumps(json.loads(stored.data)["manifest"] | {"format": 99}).encode()
    newer = b'{"sha256":"' + sha256(body).hexdigest().encode() + b'","manifest":' + body + b"}\n"
    lake._objects.put(MANIFEST, newer)
    for use in (lake.candles, lake.verify, lake.extent):
        with pytest.raises(FixConfig, match=r"lake\.newer_format"):
            use(HOURLY)
    assert not [key for key in lake._objects.keys("") if key.startswith("quarantine/")]
