"""`sereno db downgrade` takes rows away: it looks, asks, keeps a copy, and only then does it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sereno.core.clock import WallClock
from sereno.ops.app import open_desk_ledger
from sereno.ops.process import holder_name
from sereno.store.ledger import leases
from sereno.store.ledger.opening import HEAD, REVISIONS
from sereno.store.ledger.runs import RunStatus
from sereno.surfaces.cli.main import main
from tests.ops.running import settings_of
from tests.surfaces.seeded import NOW_MS, _run


def call(*words: str) -> int:
    try:
        main(list(words))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A paper desk with one recorded run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERENO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SERENO_MODE", "paper")
    ledger = open_desk_ledger(settings_of(tmp_path / "state"))
    with ledger.begin() as tx:
        _run(tx, "collector", NOW_MS, RunStatus.SUCCESS)
    ledger.close()
    return tmp_path / "state"


def runs_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as opened:
        return int(opened.execute("SELECT count(*) FROM job_runs").fetchone()[0])


def ledger_file(state: Path) -> Path:
    return settings_of(state).paths.ledger_file


def test_it_says_what_is_lost_and_a_no_changes_nothing(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typer.confirm", lambda _: False)
    assert call("db", "downgrade", "base") == 2
    told = capsys.readouterr()
    assert "lost from job_runs: 1 rows" in told.out
    assert "ledger.not_downgraded" in told.err
    assert runs_in(ledger_file(desk)) == 1
    assert not list(desk.rglob("backups/*"))


def test_a_copy_of_everything_is_kept(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("db", "downgrade", "base", "--yes") == 0
    (copy,) = desk.rglob("backups/*.sqlite3")
    assert runs_in(copy) == 1
    told = capsys.readouterr().out
    assert str(copy) in told
    assert "is at no revision: it is empty" in told


def test_the_revision_that_came_of_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("db", "downgrade", "-1", "--yes") == 0
    assert f"is at {REVISIONS[-2]}" in capsys.readouterr().out
    assert call("db", "upgrade") == 0
    assert f"is at {HEAD}" in capsys.readouterr().out


def test_it_is_refused_while_somebody_works(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = open_desk_ledger(settings_of(desk))
    with ledger.begin() as tx:
        leases.acquire(tx, "job:paper:signals", holder_name(), WallClock().now_ms(), 60_000)
    assert call("db", "downgrade", "base", "--yes") == 75
    assert "ledger.in_use" in capsys.readouterr().err
    with ledger.begin() as tx:
        leases.release(tx, "job:paper:signals", holder_name())
    ledger.close()
    assert call("db", "downgrade", "base", "--yes") == 0


def test_a_revision_that_is_not_there_leaves_no_copy(desk: Path) -> None:
    assert call("db", "downgrade", "no-such-revision", "--yes") == 2
    assert not list(desk.rglob("backups/*"))
