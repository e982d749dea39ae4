"""The job that tells people is watched itself: its own failure must not be silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.ops.app import Desk
from sereno.ops.guard import guarded
from sereno.ops.jobs import JOBS, find_job
from sereno.ops.logs import Redactor
from sereno.ops.records import Recorder
from sereno.ops.run import Run
from sereno.ops.steps.positions import advance_positions
from tests.ops.test_anomaly import bot, telegram_desk
from tests.watch.test_telegram import Bot

__all__ = ["bot"]
ANOMALY = find_job("anomaly", JOBS)


def watch(desk: Desk, run_id: str) -> bool:
    """One run of the watchman with its record, as the runner keeps it; whether it ended well."""
    recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
    started = recorder.start(ANOMALY.name, run_id)
    verdict = guarded(ANOMALY, desk, Run(run_id, ANOMALY.name))
    recorder.end(started, verdict, "success" if verdict.ok else "error")
    return verdict.ok


def told(desk: Desk, bot: Bot) -> list[str]:
    """What a positions run tells people of the watch."""
    before = len(bot.messages)
    assert advance_positions(desk, Run("p", "positions")).failed is None
    return [b["text"] for _, b in bot.messages[before:] if "watch_blind" in b["text"]]


def test_trap_a30_36_e4_4_r12_a_watch_that_cannot_look_is_told_by_another_job(
    tmp_path: Path, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with telegram_desk(tmp_path, bot.url) as desk:
        assert told(desk, bot) == [], "a desk that is new has not been looked at yet"
        with monkeypatch.context() as fault:
            fault.setattr("sereno.watch.checks.stale_data", lambda *_, **__: 1 // 0)
            assert not watch(desk, "a1")
        (alert,) = told(desk, bot)
        assert alert.startswith(
            "[HIGH] watch_blind anomaly: the checks did not come to their end: ZeroDivisionError"
        )
        assert told(desk, bot) == [], "once a day is enough"
        assert watch(desk, "a2")
        texts = [body["text"] for _, body in bot.messages]
        assert texts.count("[RECOVERED] watch_blind:anomaly") == 1
        assert told(desk, bot) == []


def test_an_alert_that_is_not_delivered_is_no_blindness(tmp_path: Path, bot: Bot) -> None:
    """The run fails, but it has looked."""
    bot.status = 500
    with telegram_desk(tmp_path, bot.url) as desk:
        assert not watch(desk, "a1")
        bot.status = 200
        assert told(desk, bot) == []
