"""The doors of a desk: what one simulated world never shares with another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, TryLater
from sereno.core.files import replace_file
from sereno.core.settings import Settings
from sereno.market.venues.quiet import Quiet
from sereno.ops.app import Desk, open_desk_ledger


def simulated(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate({"state_dir": folder, "mode": "sim", **changes})


def test_a_database_holds_one_simulated_world(tmp_path: Path, fresh_url: str) -> None:
    ledger = {"database_url": fresh_url}
    for _ in range(2):
        open_desk_ledger(simulated(tmp_path, ledger=ledger)).close()
    with pytest.raises(FixConfig, match=r"ledger\.other_world") as refusal:
        open_desk_ledger(simulated(tmp_path, ledger=ledger, sim={"seed": 99}))
    assert "ledger.database_url" in str(refusal.value)
    open_desk_ledger(simulated(tmp_path, ledger=ledger, mode="paper", sim={"seed": 99})).close()
    open_desk_ledger(simulated(tmp_path, ledger=ledger)).close()


def test_worlds_and_paper_never_share_a_lake_below_one_address(tmp_path: Path) -> None:
    lake = {"url": f"{tmp_path}/lake/"}
    settings = (
        simulated(tmp_path, lake=lake),
        simulated(tmp_path, lake=lake, sim={"seed": 99}),
        simulated(tmp_path, lake=lake, mode="paper"),
    )
    places = [Desk(one).lake._objects.where for one in settings]
    first, second = (f"{tmp_path}/lake/sim/{one.paths.root.name}" for one in settings[:2])
    assert [str(place) for place in places] == [first, second, f"{tmp_path}/lake"]
    assert first != second


@pytest.mark.parametrize("mode", ["sim", "paper"])
@pytest.mark.parametrize("url", ["ftp://host/lake", "s3://", "s3:///nowhere"])
def test_an_address_that_is_no_lake_is_refused(tmp_path: Path, mode: str, url: str) -> None:
    with pytest.raises(FixConfig, match=r"lake\.url.*s3://bucket/prefix"):
        _ = Desk(simulated(tmp_path, mode=mode, lake={"url": url})).lake


def test_a_ban_of_one_run_holds_for_the_next(tmp_path: Path) -> None:
    settings = simulated(tmp_path, mode="paper", venue={"base_url": "http://127.0.0.1:9", "retries": 0})
    Quiet(settings.paths.run / "quiet_binance_spot.txt").keep(3600)

    async def ask() -> None:
        venue = Desk(settings).venue()
        try:
            await venue.server_time_ms()
        finally:
            await venue.close()

    with pytest.raises(TryLater, match=r"venue\.quiet"):
        asyncio.run(ask())


def test_a_lake_that_is_gone_is_not_begun_anew_by_who_starts(tmp_path: Path) -> None:
    settings = simulated(tmp_path, mode="paper")
    place = Path(Desk(settings).lake.where)
    place.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(FixConfig, match=r"lake\.unmarked"):
            _ = Desk(settings).lake
    assert not place.exists()
    elsewhere = simulated(tmp_path, mode="paper", lake={"url": str(tmp_path / "other")})
    assert Desk(elsewhere).lake.where == str(tmp_path / "other")
    (tmp_path / "away").rename(place)
    Desk(settings).lake.ping()


def test_a_lake_that_is_gone_is_missed_however_its_place_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "state")
    spellings = [simulated(Path(one), mode="paper") for one in (f"{tmp_path}/state", "state", "link")]
    for first in spellings:
        place = Path(Desk(first).lake.where).resolve()
        place.rename(tmp_path / "away")
        for settings in spellings:
            with pytest.raises(FixConfig, match=r"lake\.unmarked"):
                _ = Desk(settings).lake
        assert not place.exists()
        (tmp_path / "away").rename(place)
    place.rename(tmp_path / "disk")
    place.symlink_to(tmp_path / "disk")
    for settings in spellings:
        Desk(settings).lake.ping()
    place.unlink()
    with pytest.raises(FixConfig, match=r"lake\.unmarked"):
        _ = Desk(spellings[0]).lake


def test_the_relative_note_of_an_older_desk_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = simulated(Path("state"), mode="paper")
    replace_file(settings.paths.lake_note, str(settings.paths.lake))
    with pytest.raises(FixConfig, match=r"lake\.unmarked"):
        _ = Desk(settings).lake


def test_who_only_looks_begins_no_lake_and_notes_nothing(tmp_path: Path) -> None:
    settings = simulated(tmp_path, mode="paper")
    with pytest.raises(FixConfig, match=r"lake\.unmarked.*sereno up"):
        _ = Desk(settings, reading=True).lake
    assert list(tmp_path.rglob("lake*")) == []
    Desk(settings).lake.ping()
    settings.paths.lake_note.unlink()
    Desk(settings, reading=True).lake.ping()
    assert not settings.paths.lake_note.exists()


@pytest.mark.parametrize("note", [b"", b"\xff\xfe"], ids=["cut off", "no text"])
def test_a_note_that_cannot_be_read_lets_no_lake_begin(tmp_path: Path, note: bytes) -> None:
    settings = simulated(tmp_path, mode="paper")
    place, file = Path(Desk(settings).lake.where), settings.paths.lake_note
    told = file.read_bytes()
    file.write_bytes(note)
    place.rename(tmp_path / "away")
    with pytest.raises(FixConfig, match=r"lake\.note_unreadable.*run/lake\.txt"):
        _ = Desk(settings).lake
    assert not place.exists()
    (tmp_path / "away").rename(place)
    Desk(settings).lake.ping()
    assert file.read_bytes() == told
