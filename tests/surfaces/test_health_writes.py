"""Health writes for proof: not too often, and without waiting long for a lock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sereno.ops.app import Desk
from sereno.store.lake_mark import BEAT
from sereno.store.ledger import counters
from sereno.store.ledger.probe import BEATS
from sereno.surfaces.api.app import create_app
from sereno.surfaces.api.health import Beats, look
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import seeded_desk

LOCAL = "http://127.0.0.1"
OTHERS_WAIT_S = 600.0
"""How long whoever else writes waits for a lock: health must not, however slow the machine is."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path, ledger={"busy_timeout_s": OTHERS_WAIT_S}) as made:
        yield made


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url=LOCAL) as made:
        yield made


def beats(desk: Desk) -> int:
    with desk.ledger.read() as tx:
        return counters.total(tx, BEATS)


def beat_file(desk: Desk) -> Path:
    return desk.paths.lake / BEAT


def test_both_stores_are_written_to_once_however_often_is_asked(desk: Desk, client: TestClient) -> None:
    assert client.get("/health").status_code == 200
    written = beat_file(desk).stat().st_mtime_ns
    for _ in range(5):
        assert client.get("/health").status_code == 200
    assert beats(desk) == 1
    assert beat_file(desk).stat().st_mtime_ns == written


def test_after_a_while_they_are_written_to_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Beats()
    look(desk, beats=kept)
    monkeypatch.setattr("sereno.surfaces.api.health.BEAT_S", 0.0)
    look(desk, beats=kept)
    assert beats(desk) == 2


def test_a_lake_that_takes_no_writes_fails_until_it_does(desk: Desk, client: TestClient) -> None:
    beat_file(desk).mkdir(parents=True)
    for _ in range(2):
        answer = client.get("/health")
        assert answer.status_code == 503
        assert [name for name, well in answer.json()["checks"].items() if not well] == ["lake"]
    beat_file(desk).rmdir()
    assert client.get("/health").status_code == 200


def test_a_lake_that_vanished_is_told_at_once_and_left_alone(desk: Desk, client: TestClient) -> None:
    assert client.get("/health").status_code == 200
    away = desk.paths.lake.with_name("away")
    desk.paths.lake.rename(away)
    for _ in range(2):
        answer = client.get("/health")
        assert answer.status_code == 503
        assert "lake.unmarked" in answer.json()["reasons"][0]
    assert not desk.paths.lake.exists()
    away.rename(desk.paths.lake)
    assert client.get("/health").status_code == 200


def test_the_beat_is_no_part_of_the_lakes_data(desk: Desk) -> None:
    known = desk.lake.series()
    look(desk)
    assert beat_file(desk).is_file()
    assert desk.lake.series() == known
    desk.lake.ping()


def test_a_lock_is_told_soon_and_the_patience_of_others_stays(desk: Desk, client: TestClient) -> None:
    other = sqlite3.connect(desk.paths.ledger_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = client.get("/health")
    took_s = time.monotonic() - began
    other.execute("ROLLBACK")
    other.close()
    assert answer.status_code == 503
    assert "locked" in answer.json()["reasons"][0]
    assert took_s < OTHERS_WAIT_S
    with desk.ledger.read() as tx:
        assert tx.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == OTHERS_WAIT_S * 1000


@pytest.mark.postgres
def test_a_lock_on_postgresql_is_told_soon(tmp_path: Path, postgres_url: str) -> None:
    with (
        seeded_desk(tmp_path, ledger={"database_url": postgres_url, "busy_timeout_s": OTHERS_WAIT_S}) as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        assert client.get("/health").status_code == 200
        engine = create_engine(postgres_url)
        with engine.connect() as other:
            other.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            answer = client.get("/health")
            took_s = time.monotonic() - began
        engine.dispose()
        assert client.get("/health").status_code == 200
    assert answer.status_code == 503
    assert "ledger.locked" in answer.json()["reasons"][0]
    assert took_s < OTHERS_WAIT_S
