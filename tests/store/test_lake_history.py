"""A history that is kept says at every moment what the lake says, and rereads only what changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.growing import GrowingCandles
from sereno.core.row_digest import digest_like, row_digest
from sereno.store.lake import Lake
from sereno.store.objects import LocalObjects, Objects, Stored
from tests.store.lake_world import (
    HOURLY,
    STORES,
    Countdown,
    Killed,
    Mortal,
    append,
    at,
    candles,
    changed,
    lake_on,
    open_objects,
    rot,
)

FOLDER = "candles/binance/spot/BTC_USDT/1h"
JANUARY, FEBRUARY = f"{FOLDER}/2024-01.parquet", f"{FOLDER}/2024-02.parquet"
law = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
pages = st.lists(  # first hour, how many, seed (another one corrects), whether it is looked at afterwards
    st.tuples(st.integers(0, 900), st.integers(1, 60), st.integers(1, 2), st.booleans()),
    min_size=1,
    max_size=12,
)


@pytest.fixture(params=STORES)
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return open_objects(request.param, tmp_path, monkeypatch)


@law
@given(written=pages)
def test_law_it_equals_the_lake_after_any_appends_fills_and_corrections(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, int, int, bool]]
) -> None:
    """By another process, over one to three months; and equal lineages agree on their common rows."""
    objects = LocalObjects(tmp_path_factory.mktemp("law"))
    writer, history = lake_on(objects), lake_on(objects).history(HOURLY)
    seen = history.read()
    for first, count, seed, looked_at in written:
        append(writer, candles(count, start=at(first), seed=seed))
        if not looked_at:
            continue
        read, told = history.read(), lake_on(objects).candles(HOURLY)
        assert read.digest == row_digest(told)
        assert list(read.candles) == list(told)
        if read.lineage is seen.lineage:
            common = read.candles.slice(0, len(seen.candles))
            assert row_digest(common) == row_digest(seen.candles) == seen.digest
        seen = read


@pytest.fixture
def reads(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the month files that were fetched, in order."""
    names: list[str] = []
    real = objects.get

    def get(key: str) -> Stored | None:
        if key.endswith(".parquet"):
            names.append(Path(key).stem)
        return real(key)

    monkeypatch.setattr(objects, "get", get)
    return names


def test_only_changed_months_are_read(objects: Objects, reads: list[str]) -> None:
    lake = lake_on(objects)
    append(lake, candles(900))
    history = lake.history(HOURLY)
    first = history.read()
    assert sorted(reads) == ["2024-01", "2024-02", "2024-03"]
    reads.clear()
    assert history.read().lineage is first.lineage
    assert reads == []
    append(lake, candles(1, start=at(900)))
    grown = history.read()
    assert (reads, grown.lineage is first.lineage, len(grown.candles)) == (["2024-03"], True, 901)
    reads.clear()
    append(lake, changed(candles(900).slice(60, 61), 0, by=1.0))
    corrected = history.read()
    assert (reads, corrected.lineage is first.lineage) == (["2024-02"], False)
    assert corrected.digest == row_digest(lake.candles(HOURLY))
    assert first.digest == row_digest(candles(900)), "what was handed out stays as it was"
    assert row_digest(first.candles) == first.digest


def test_a_file_that_rots_is_noticed_when_it_is_read_anew(objects: Objects) -> None:
    lake = lake_on(objects)
    append(lake, candles(60))
    history = lake_on(objects).history(HOURLY)
    whole = history.read()
    rot(lake, JANUARY, "bit")
    assert history.read().digest == whole.digest
    with pytest.raises(SkipThis, match=r"lake\.damaged"):
        history.read(anew=True)
    assert history.read().digest == row_digest(lake_on(objects).candles(HOURLY))
    assert len(history.read().candles) == 12


def test_a_month_that_another_process_put_in_quarantine_is_gone_here_too(objects: Objects) -> None:
    append(lake_on(objects), candles(60))
    history = lake_on(objects).history(HOURLY)
    whole = history.read()
    rot(lake_on(objects), FEBRUARY, "bit")
    assert lake_on(objects).verify(HOURLY) != ()
    left = history.read()
    assert (len(left.candles), left.digest) == (48, row_digest(candles(48)))
    append(lake_on(objects), candles(60))
    assert history.read().digest == whole.digest


def test_while_a_writer_is_cut_off_it_says_what_the_lake_says(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "lake")
    append(lake_on(objects), candles(60))
    step = Countdown()
    append(lake_on(Mortal(objects, step)), candles(60, seed=2))
    for after in range(step.steps):
        again = LocalObjects(tmp_path / f"killed-{after}")
        append(lake_on(again), candles(60))
        history = lake_on(again).history(HOURLY)
        history.read()
        with pytest.raises(Killed):
            append(lake_on(Mortal(again, Countdown(after))), candles(60, seed=2))
        assert history.read().digest == row_digest(lake_on(again).candles(HOURLY))
        append(lake_on(again), candles(70, seed=2))
        assert history.read().digest == row_digest(candles(70, seed=2))


def test_an_empty_series_has_an_empty_history(tmp_path: Path) -> None:
    lake: Lake = lake_on(LocalObjects(tmp_path / "lake"))
    history = lake.history(HOURLY)
    assert (len(history.read().candles), history.read().digest) == (0, row_digest(candles(0)))
    append(lake, candles(3))
    assert len(history.read().candles) == 3


@law
@given(cuts=st.lists(st.integers(0, 300), max_size=8), seed=st.integers(1, 3))
def test_law_a_digest_does_not_depend_on_how_the_candles_came(cuts: list[int], seed: int) -> None:
    block = candles(300, seed=seed)
    growing = GrowingCandles(block.slice(0, 0))
    handed_out = []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
        growing.extend(block.slice(first, last))
        handed_out.append((last, growing.now()))
    for rows, grown in handed_out:
        assert grown.digest == row_digest(grown.candles) == row_digest(block.slice(0, rows))
        assert grown.lineage is handed_out[0][1].lineage


def test_every_bit_counts() -> None:
    block = candles(5)
    digests = {row_digest(block), row_digest(block.slice(1)), row_digest(candles(5, seed=2))}
    for name in Candles.COLUMNS:
        column = getattr(block, name).copy()
        column[3] = np.nextafter(column[3], np.inf) if column.dtype.kind == "f" else column[3] + 1
        columns = {one: getattr(block, one) for one in Candles.COLUMNS} | {name: column}
        digests.add(row_digest(Candles(block.timeframe, **columns)))
    assert len(digests) == 3 + len(Candles.COLUMNS)


def test_what_was_handed_out_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        GrowingCandles(candles(5)).now().candles.close[0] = 1.0


def test_a_stored_digest_says_by_its_form_how_it_was_made() -> None:
    block = candles(5)
    assert row_digest(block).startswith("rows:")
    for stored in (row_digest(block), block.digest()):
        assert digest_like(stored, block) == stored
