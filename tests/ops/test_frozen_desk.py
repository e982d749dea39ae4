"""A frozen desk is seen everywhere, and whoever froze it, a person is woken for what a job did."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sereno.core.clock import FixedClock
from sereno.core.errors import StopTrading
from sereno.core.timeframe import HOUR_MS
from sereno.ops.app import Desk
from sereno.ops.entries import queue_alert
from sereno.ops.run import Run
from sereno.ops.snapshot import take_snapshot
from sereno.ops.steps.anomaly import look
from sereno.ops.steps.freeze import freeze_entries, set_block, standing
from sereno.ops.steps.positions import advance_positions
from sereno.ops.table import draw
from sereno.store.ledger import alerts, risk_state
from sereno.surfaces.api.app import create_app
from sereno.watch.checks import Severity
from sereno.watch.entries import CHECK
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import NOW_MS, seeded_desk
from tests.watch.test_telegram import Bot, bot

__all__ = ["bot"]
LOCAL = "http://127.0.0.1"
FAULT = StopTrading("clock.offset", remedy="look at the host's clock")
GAUGE = 'ost_entries_allowed{account="paper",mode="paper"}'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path) as made:
        yield made


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url=LOCAL) as made:
        yield made


def freeze(desk: Desk) -> None:
    freeze_entries(desk, FAULT, job="positions")


def told(desk: Desk) -> list[str]:
    """First words of the alerts about entries, oldest first."""
    with desk.ledger.read() as tx:
        kept = alerts.newest(tx, desk.mode, 100)
    return [one.text.partition(" ")[0] for one in reversed(kept) if one.key.startswith(f"{CHECK}:")]


def found(desk: Desk) -> list[Severity]:
    return [one.severity for one in look(desk, desk.clock.now_ms()) if one.check == CHECK]


def drawn(desk: Desk) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(draw(take_snapshot(desk.settings, desk.ledger, desk.clock)))
    return console.export_text()


def test_what_a_job_froze_is_seen_everywhere(desk: Desk, client: TestClient) -> None:
    assert (found(desk), client.get("/health").status_code) == ([], 200)
    assert f"{GAUGE} 1.0" in client.get("/metrics").text
    freeze(desk)
    health = client.get("/health")
    assert (health.status_code, health.json()["checks"]["entries"]) == (503, False)
    line = take_snapshot(desk.settings, desk.ledger, desk.clock).line()
    for text in (*health.json()["reasons"], client.get("/").text, line, drawn(desk)):
        for word in ("job:positions", "clock.offset", "2024-06-01T12:00:30Z", "sereno risk clear"):
            assert word in text
    assert found(desk) == [Severity.CRITICAL]
    assert f"{GAUGE} 0.0" in client.get("/metrics").text


def test_what_a_person_blocked_is_a_note_and_no_failure(desk: Desk, client: TestClient) -> None:
    set_block(desk, "holiday", actor="cli:ana")
    health = client.get("/health")
    assert (health.status_code, health.json()["reasons"]) == (200, [])
    (note,) = health.json()["notes"]
    assert "cli:ana" in note
    assert "holiday" in note
    assert "holiday" in client.get("/").text
    assert found(desk) == [Severity.WARNING]
    assert told(desk) == []


def test_a_freeze_wakes_somebody_at_once(tmp_path: Path, bot: Bot) -> None:
    notify = {"telegram_bot_token": "1:t", "telegram_chat_id": "7", "telegram_base_url": bot.url}
    with seeded_desk(tmp_path, notify=notify) as desk:
        freeze(desk)
        freeze(desk)
    (message,) = (body["text"] for _, body in bot.messages)
    assert message.startswith(
        "[CRITICAL] entries_blocked paper: nothing is entered: blocked by job:positions"
    )


def test_the_alert_is_in_the_transaction_of_the_freeze(desk: Desk) -> None:
    """A process that is killed after the block and before the message has still told the outbox."""
    set_block(desk, "clock.offset", actor="job:collector")
    assert told(desk) == ["[CRITICAL]"]
    assert isinstance(desk.clock, FixedClock)
    desk.clock.advance(HOUR_MS)
    set_block(desk, None, actor="cli:ana")
    assert told(desk) == ["[CRITICAL]", "[RECOVERED]"]


def test_a_freeze_says_nothing_of_what_other_checks_found(desk: Desk) -> None:
    from sereno.core.clock import WallClock
    from sereno.watch.checks import Noticed
    from sereno.watch.outbox import Moment, put

    other = Noticed("stale_data", Severity.HIGH, "x", "old")
    with desk.ledger.begin() as tx:
        put(tx, desk.mode, (other,), Moment(NOW_MS - HOUR_MS, WallClock().now_ms()), redact=str)
    freeze(desk)
    with desk.ledger.read() as tx:
        kinds = {one.key: one.kind for one in alerts.newest(tx, desk.mode, 10)}
    assert kinds == {other.key: "raised", f"{CHECK}:paper": "raised"}


def lose(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM risk_state")


def spoil(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE risk_state SET day_start_equity_quote = 'much'")


@pytest.mark.parametrize(("harm", "remedy"), [(lose, "sereno risk restore"), (spoil, "backup")])
def test_a_risk_state_that_is_lost_is_told_with_the_next_positions_run(
    desk: Desk, client: TestClient, harm: object, remedy: str
) -> None:
    assert callable(harm)
    harm(desk)
    assert found(desk) == [Severity.CRITICAL]
    assert remedy in client.get("/health").json()["reasons"][0]
    assert f"{GAUGE} 0.0" in client.get("/metrics").text
    advance_positions(desk, Run("p", "positions"))
    assert told(desk) == ["[CRITICAL]"]


def test_what_cannot_be_frozen_wakes_somebody_too(desk: Desk) -> None:
    spoil(desk)
    freeze(desk)
    assert told(desk) == ["[CRITICAL]"]


def test_a_pause_is_a_note(desk: Desk, client: TestClient) -> None:
    from dataclasses import replace

    state = standing(desk)
    assert state is not None
    with desk.ledger.begin() as tx:
        paused = replace(state, paused_until_ms=NOW_MS + HOUR_MS, pause_reason="daily_loss")
        risk_state.save(tx, paused, state.version)
    assert found(desk) == [Severity.INFO]
    health = client.get("/health").json()
    assert (health["status"], len(health["notes"])) == ("ok", 1)
    assert "daily_loss" in health["notes"][0]
    assert f"{GAUGE} 0.0" in client.get("/metrics").text


def test_a_desk_without_an_account_has_nothing_to_tell(desk: Desk, client: TestClient) -> None:
    with desk.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM equity")
        tx.exec_driver_sql("DELETE FROM risk_state")
        assert queue_alert(tx, desk) == 0
    assert found(desk) == []
    assert "entries_allowed" not in client.get("/metrics").text
    set_block(desk, "clock.offset", actor="job:collector")
    assert found(desk) == [Severity.CRITICAL]
