"""Trap E4.3: a setting that nothing reads does not exist. Those of jobs, logs and API, each by its effect."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
import structlog

from sereno.core.clock import ClockAnchor, ClockFile, FixedClock, SimClock, WallClock
from sereno.core.errors import FixConfig
from sereno.core.settings import LogSettings, Settings
from sereno.core.timeframe import from_iso
from sereno.ops.address import sim_address
from sereno.ops.app import Desk, clock_of
from sereno.ops.facts import jobs_in_force
from sereno.ops.lease import Lease
from sereno.ops.logs import Redactor, configure_logs
from sereno.ops.process import holder_name, is_dead
from sereno.ops.steps.freshness import newest_due_close
from sereno.ops.steps.signals import _pause_s
from tests.ops.running import settings_of


def logged(settings: LogSettings, redactor: Redactor) -> str:
    stream = io.StringIO()
    configure_logs(settings, redactor, stream=stream)
    log = structlog.get_logger("test")
    log.debug("quiet.event")
    log.warning("loud.event", url="https://x/botSECRET-TOKEN/y", nested={"key": ["SECRET-TOKEN"]}, number=3)
    logging.getLogger("some.library").warning("told by a library with SECRET-TOKEN")
    return stream.getvalue()


def test_logs_are_json_lines_without_secrets() -> None:
    told = logged(LogSettings(), Redactor(["SECRET-TOKEN", ""]))
    events = [json.loads(line) for line in told.splitlines()]
    assert [e["event"].split()[0] for e in events] == ["loud.event", "told"]
    assert events[0]["number"] == 3
    assert events[0]["level"] == "warning"
    assert "SECRET" not in told


def test_level_and_format_of_the_log() -> None:
    told = logged(LogSettings.model_validate({"level": "debug", "format": "console"}), Redactor([]))
    assert "quiet.event" in told
    with pytest.raises(json.JSONDecodeError):
        json.loads(told.splitlines()[0])
    assert logged(LogSettings.model_validate({"level": "ERROR"}), Redactor([])) == ""


def test_the_redactor_knows_every_secret_of_the_settings(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        api={"token": "token-of-the-api"},
        ledger={"database_url": "postgresql+psycopg://me:pass-of-the-db@host/db"},
    )
    redactor = Redactor.of(settings)
    assert redactor.text("a token-of-the-api b") == "a ******** b"
    assert "pass-of-the-db" not in redactor.text("could not log in with pass-of-the-db")


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    assert Redactor(["abcd", "abcd1234"]).text("abcd1234 abcd") == "******** ********"


def test_disabled_jobs_are_not_in_force(tmp_path: Path) -> None:
    names = [job.name for job in jobs_in_force(settings_of(tmp_path, jobs={"disabled": "train,dashboard"}))]
    assert "train" not in names
    assert "dashboard" not in names
    assert "collector" in names


def test_signal_loop_and_settle_shape_the_daemon(tmp_path: Path) -> None:
    at = from_iso("2024-06-01T12:00:01Z")
    desk = Desk(settings_of(tmp_path, candles={"settle_s": 2.0}), clock=FixedClock(at))
    assert newest_due_close(desk, at) == from_iso("2024-06-01T11:00:00Z")
    assert newest_due_close(desk, at + 1000) == from_iso("2024-06-01T12:00:00Z")
    assert 0 < _pause_s(desk, at) <= 0.5
    several = settings_of(tmp_path, candles={"settle_s": 0.0, "timeframes": "1h,15m"})
    assert newest_due_close(
        Desk(several, clock=FixedClock(at)), from_iso("2024-06-01T12:16:00Z")
    ) == from_iso("2024-06-01T12:15:00Z")


def test_a_lease_lasts_as_long_as_it_is_set_to(tmp_path: Path) -> None:
    from sereno.ops.app import open_desk_ledger
    from sereno.store.ledger import leases

    ledger = open_desk_ledger(settings_of(tmp_path))
    assert Lease(ledger, "a", ttl_s=60).take()
    now = WallClock().now_ms()
    with ledger.begin() as tx:
        assert not leases.acquire(tx, "a", "elsewhere:1:1", now + 50_000, 1000)
        assert leases.acquire(tx, "a", "elsewhere:1:1", now + 61_000, 1000)
    ledger.close()


def test_the_commit_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERENO_COMMIT", "feedc0de")
    assert Desk(settings_of(tmp_path)).git_commit == "feedc0de"
    monkeypatch.delenv("SERENO_COMMIT")
    assert Desk(settings_of(tmp_path)).git_commit


def test_the_clock_follows_the_mode(tmp_path: Path) -> None:
    assert isinstance(clock_of(settings_of(tmp_path)), WallClock)
    simulated = Settings.model_validate({"state_dir": tmp_path})
    clock = clock_of(simulated)
    assert isinstance(clock, SimClock)
    with pytest.raises(FixConfig, match="sereno up"):
        clock.now_ms()
    ClockFile(simulated.paths.clock_file).write(ClockAnchor(1000, WallClock().now_ms(), 0.0))
    assert clock.now_ms() == 1000
    with pytest.raises(FixConfig, match=r"sim\.no_address"):
        sim_address(simulated.paths)


def test_holders_are_told_apart_even_when_a_number_is_used_again() -> None:
    mine = holder_name()
    assert not is_dead(mine)
    host, pid, started = mine.rsplit(":", 2)
    assert is_dead(f"{host}:{pid}:{int(started) - 1000}")
    assert is_dead(f"{host}:4194303:1")
    assert not is_dead(f"another-{host}:{pid}:1")
    assert not is_dead("nonsense")
