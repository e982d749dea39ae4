"""Facts: a value, its moment, and the first moment at which it could have been used."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sereno.core.errors import SkipThis
from sereno.core.instrument import Instrument, Market
from sereno.core.mode import Mode
from sereno.store.lake import Lake
from sereno.store.objects import Objects
from tests.store.lake_world import BTC, NOW, STORES, at, lake_on, open_objects, rot


@pytest.fixture(params=STORES)
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return open_objects(request.param, tmp_path, monkeypatch)


@pytest.fixture
def lake(objects: Objects) -> Lake:
    return lake_on(objects)


def funding(*rows: tuple[int, int, float]) -> pl.DataFrame:
    schema = {"ts": pl.Int64, "known_at": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def store(lake: Lake, frame: pl.DataFrame, now: int = NOW) -> int:
    return lake.append_facts("funding", BTC, frame, source="venue", mode=Mode.SIM, now=now)


RATES = funding(*((at(8 * i), at(8 * i) + 60_000, i / 1e4) for i in range(20)))


def test_facts_are_read_as_they_were_stored(lake: Lake, objects: Objects) -> None:
    assert store(lake, RATES) == 20
    assert store(lake, RATES.reverse()) == 0
    for reader in (lake, lake_on(objects)):
        assert reader.facts("funding", BTC).equals(RATES)
        assert reader.facts("funding", BTC, at(8), at(24)).equals(RATES[1:3])


def test_nothing_stored_is_an_empty_frame(lake: Lake) -> None:
    assert lake.facts("funding", BTC).equals(funding())
    assert store(lake, funding()) == 0


def test_only_what_was_known_then_is_seen_then(lake: Lake) -> None:
    store(lake, RATES)
    assert lake.facts("funding", BTC, known_at=at(16)).equals(RATES[:2])
    assert lake.facts("funding", BTC, known_at=at(16) + 60_000).equals(RATES[:3])


def test_a_revision_is_a_new_fact_and_the_past_keeps_the_old_one(lake: Lake) -> None:
    store(lake, funding((at(0), at(1), 1.0)))
    assert store(lake, funding((at(0), at(5), 2.0))) == 1
    assert lake.facts("funding", BTC).rows() == [(at(0), at(5), 2.0)]
    assert lake.facts("funding", BTC, known_at=at(4)).rows() == [(at(0), at(1), 1.0)]


def test_the_same_value_told_again_later_is_nothing_new(lake: Lake) -> None:
    store(lake, funding((at(0), at(1), 1.0)))
    assert store(lake, funding((at(0), at(9), 1.0))) == 0
    assert lake.facts("funding", BTC).rows() == [(at(0), at(1), 1.0)]


def test_a_value_that_changes_back_is_seen(lake: Lake) -> None:
    for known_at, value in ((at(1), 1.0), (at(2), 2.0), (at(3), 1.0)):
        assert store(lake, funding((at(0), known_at, value))) == 1
    assert lake.facts("funding", BTC).rows() == [(at(0), at(3), 1.0)]


def test_a_contradiction_counts_from_now_on(lake: Lake) -> None:
    store(lake, funding((at(0), at(1), 1.0)), now=at(2))
    assert store(lake, funding((at(0), at(1), 2.0)), now=at(50)) == 1
    assert store(lake, funding((at(0), at(1), 2.0)), now=at(60)) == 0
    assert lake.facts("funding", BTC, known_at=at(49)).rows() == [(at(0), at(1), 1.0)]
    assert lake.facts("funding", BTC, known_at=at(50)).rows() == [(at(0), at(50), 2.0)]


@pytest.mark.parametrize(
    "frame",
    [
        funding((at(0), at(1), float("nan"))),
        funding((at(0), at(1), float("inf"))),
        pl.DataFrame({"ts": [at(0)], "known_at": [None], "value": [1.0]}),
        pl.DataFrame({"ts": [at(0)], "value": [1.0]}),
        pl.DataFrame({"ts": ["x"], "known_at": [at(0)], "value": [1.0]}),
    ],
)
def test_unusable_facts_are_refused(lake: Lake, frame: pl.DataFrame) -> None:
    with pytest.raises(SkipThis, match=r"lake\.bad"):
        store(lake, frame)
    assert lake.facts("funding", BTC).height == 0


@pytest.mark.parametrize("name", ["../x", "", "a/b", "Funding", "1x"])
def test_names_are_snake_case(lake: Lake, name: str) -> None:
    with pytest.raises(ValueError):
        lake.facts(name, BTC)


def test_instruments_and_names_are_kept_apart(lake: Lake) -> None:
    perpetual = Instrument.parse("BTC/USDT", venue="binance", market=Market.LINEAR)
    store(lake, RATES)
    assert lake.facts("funding", perpetual).height == 0
    assert lake.facts("open_interest", BTC).height == 0
    assert lake.series() == ()


def test_damaged_facts_are_put_aside_and_stored_again(lake: Lake, objects: Objects) -> None:
    store(lake, RATES)
    rot(lake, "facts/funding/binance/spot/BTC_USDT/2024-01.parquet", "truncate")
    with pytest.raises(SkipThis, match=r"lake\.damaged"):
        lake.facts("funding", BTC)
    assert lake.facts("funding", BTC).equals(RATES[6:])
    assert [(d.first_ms, d.last_ms) for d in lake.verify_facts("funding", BTC)] == [(at(0), at(40))]
    assert store(lake, RATES) == 6
    assert lake.verify_facts("funding", BTC) == ()
    assert lake_on(objects).facts("funding", BTC).equals(RATES)
