"""The anomaly job over a real ledger and lake: each fault is injected, found, kept and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock, WallClock
from sereno.core.mode import Mode
from sereno.core.order import EquityPoint
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.facts import last_ended, last_run
from sereno.ops.run import Run
from sereno.ops.steps.anomaly import look, look_for_anomalies
from sereno.ops.steps.positions import advance_positions
from sereno.store.ledger import equity, findings, positions, runs, signals
from sereno.store.ledger.runs import JobRun, RunStatus
from sereno.watch.checks import Severity
from tests.store.test_registry import keep, spoil
from tests.surfaces.seeded import NOW_MS, _position, _run, candles, seeded_desk, signal_of
from tests.watch.test_telegram import TOKEN, Bot, bot

__all__ = ["bot"]
RUN = Run("r", "anomaly")


def found(desk: Desk) -> dict[str, Severity]:
    return {one.check: one.severity for one in look(desk, desk.clock.now_ms())}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk in which only the models are missing, and one series has no signal."""
    with seeded_desk(tmp_path, venue={"instruments": ["BTC/USDT"]}) as made:
        yield made


def later(desk: Desk, by_ms: int) -> None:
    assert isinstance(desk.clock, FixedClock)
    desk.clock.advance(by_ms)


def test_a_desk_that_is_well_shows_only_what_is_missing(desk: Desk) -> None:
    assert set(found(desk)) == {"old_model", "job_failed"}


def test_trap_e4_4_r12_stale_data_is_found(desk: Desk) -> None:
    later(desk, 4 * HOUR_MS)
    assert found(desk)["stale_data"] is Severity.HIGH
    later(desk, 2 * DAY_MS)
    assert found(desk)["stale_data"] is Severity.CRITICAL


def test_trap_e4_4_a_dead_signals_loop_is_found(desk: Desk) -> None:
    later(desk, 4 * HOUR_MS)
    assert found(desk)["signal_drought"] is Severity.HIGH


@pytest.mark.parametrize(("market", "told"), [("linear", Severity.WARNING), ("spot", None)])
def test_trap_a12_12_one_sided_signals_are_found(tmp_path: Path, market: str, told: Severity | None) -> None:
    """On a spot market nothing but longs can be taken."""
    venue = {"instruments": ["BTC/USDT"], "market": market}
    with seeded_desk(tmp_path, venue=venue) as desk:
        series = desk.series[0]
        first = Timeframe.H1.floor(NOW_MS) - 200 * HOUR_MS
        with desk.ledger.begin() as tx:
            for hour in range(100):
                signals.save(tx, signal_of(series, first + hour * HOUR_MS, Decision.LONG))
        assert found(desk).get("one_sided") is told


@pytest.mark.parametrize(("drought_bars", "told"), [(230, Severity.WARNING), (240, None)])
def test_a_drought_longer_than_the_signals_that_are_read_is_found(
    tmp_path: Path, drought_bars: int, told: Severity | None
) -> None:
    venue, watch = {"instruments": ["BTC/USDT", "ETH/USDT"]}, {"drought_bars": drought_bars}
    with seeded_desk(tmp_path, venue=venue, watch=watch) as desk:
        newest = Timeframe.H1.floor(NOW_MS)
        with desk.ledger.begin() as tx:
            for hours in range(235):
                signals.save(tx, signal_of(desk.series[1], newest - hours * HOUR_MS, Decision.NO_TRADE))
        noticed = {one.subject: one.severity for one in look(desk, NOW_MS) if one.check == "signal_drought"}
    assert noticed.get(desk.series[1].key) is told


@pytest.mark.parametrize(
    ("mode", "remedy"), [(Mode.PAPER, "fewer series"), (Mode.SIM, "sim.seconds_per_candle")]
)
def test_a_desk_that_misses_most_of_its_decisions_is_told_of_it(
    tmp_path: Path, mode: Mode, remedy: str
) -> None:
    with seeded_desk(tmp_path, mode=mode, venue={"instruments": ["BTC/USDT"]}) as desk:
        series = desk.series[0]
        with desk.ledger.begin() as tx:
            for i in range(24):
                one = signal_of(series, NOW_MS - i * 1000, Decision.NO_TRADE, mode=mode)
                signals.save(tx, replace(one, reason="stale_candle" if i % 3 else "no_edge"))
        (missed,) = (n for n in look(desk, NOW_MS) if n.check == "missed_decisions")
        assert (missed.severity, missed.subject) == (Severity.HIGH, series.key)
        assert missed.message.startswith("16 of the newest 24 decisions came too late (stale_candle)")
        assert remedy in missed.message
        look_for_anomalies(desk, RUN)
        with desk.ledger.read() as tx:
            assert "missed_decisions" in {kept.check for kept in findings.recent(tx)}


def test_trap_b12_8_a_losing_streak_is_found(desk: Desk) -> None:
    series = desk.series[0]
    with desk.ledger.begin() as tx:
        for i in range(4):
            one = signal_of(series, Timeframe.H1.floor(NOW_MS) - (100 + i) * HOUR_MS, Decision.LONG)
            signals.save(tx, one)
            positions.save(tx, _position(series, one.signal_id, f"lost{i}", closed=True))
    assert found(desk)["losing_streak"] is Severity.WARNING


def test_drawdown_is_found(desk: Desk) -> None:
    later(desk, HOUR_MS // 2)
    with desk.ledger.begin() as tx:
        equity.add(tx, EquityPoint(desk.clock.now_ms(), desk.mode, "paper", Decimal(8700), Decimal(0)))
    assert found(desk)["drawdown"] is Severity.CRITICAL


@pytest.mark.parametrize(("by_ms", "told"), [(2 * HOUR_MS, Severity.CRITICAL), (HOUR_MS // 2, None)])
def test_an_account_ahead_of_the_clock_is_found(desk: Desk, by_ms: int, told: Severity | None) -> None:
    with desk.ledger.begin() as tx:
        equity.add(tx, EquityPoint(NOW_MS + by_ms, desk.mode, "paper", Decimal(10_000), Decimal(0)))
    assert found(desk).get("account_ahead") is told


def test_a_failing_and_an_absent_job_are_found(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        for i in range(3):
            _run(tx, "collector", NOW_MS - 1000 * (i + 1), RunStatus.ERROR)
    by_subject = {(n.check, n.subject): n.severity for n in look(desk, NOW_MS)}
    assert by_subject["job_failed", "collector"] is Severity.HIGH
    later(desk, HOUR_MS)
    by_subject = {(n.check, n.subject): n.severity for n in look(desk, desk.clock.now_ms())}
    assert by_subject["job_absent", "positions"] is Severity.HIGH


def test_runs_of_another_mode_hide_no_failures(desk: Desk) -> None:
    """Paper and live may keep one ledger."""
    theirs = JobRun("", "collector", Mode.LIVE, "h", 1, 0, None, RunStatus.SUCCESS, None, None, {})
    with desk.ledger.begin() as tx:
        for i in range(3):
            _run(tx, "collector", NOW_MS - 1000 * (i + 1), RunStatus.ERROR)
        for i in range(600):
            runs.start(tx, replace(theirs, run_id=f"live {i}", started_ms=NOW_MS + i))
        newest, ended = (ask(tx, "collector", desk.mode) for ask in (last_run, last_ended))
    assert newest is not None
    assert newest == ended
    assert (newest.mode, newest.started_ms) == (desk.mode, NOW_MS - 1000)
    by_subject = {(n.check, n.subject): n.severity for n in look(desk, NOW_MS)}
    assert by_subject["job_failed", "collector"] is Severity.HIGH


def test_an_absent_daemon_is_found(tmp_path: Path) -> None:
    with seeded_desk(tmp_path, daemons=False) as desk:
        by_subject = {(n.check, n.subject): n.severity for n in look(desk, NOW_MS)}
    assert by_subject["job_absent", "signals"] is Severity.CRITICAL


def test_a_cycle_in_which_most_failed_is_found(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        runs.start(
            tx, JobRun("c", "collector", Mode.PAPER, "h", 1, NOW_MS, None, RunStatus.RUNNING, None, None, {})
        )
        runs.finish(tx, "c", RunStatus.ERROR, NOW_MS, error="x", details={"ok": 1, "failed": 3})
    assert found(desk)["failed_cycle"] is Severity.HIGH


def test_a_change_of_level_is_told_for_a_day(desk: Desk) -> None:
    key = desk.series[0].key
    details = {"series": {key: {"findings": {"jump": 2, "level_change": 1}}, "other": {"findings": {}}}}
    with desk.ledger.begin() as tx:
        runs.start(
            tx, JobRun("c", "collector", Mode.PAPER, "h", 1, NOW_MS, None, RunStatus.RUNNING, None, None, {})
        )
        runs.finish(tx, "c", RunStatus.SUCCESS, NOW_MS, details=details)
    (one,) = (n for n in look(desk, NOW_MS) if n.check == "level_change")
    assert (one.severity, one.subject, one.detail) == (Severity.HIGH, key, {"changes": 1})
    assert not [n for n in look(desk, NOW_MS + DAY_MS + 1) if n.check == "level_change"]


def test_a_cycle_that_has_just_begun_hides_no_failure(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        for run_id, mode in (("a", Mode.PAPER), ("b", Mode.PAPER), ("c", Mode.SIM)):
            at = NOW_MS + ord(run_id)
            runs.start(
                tx, JobRun(run_id, "collector", mode, "h", 1, at, None, RunStatus.RUNNING, None, None, {})
            )
        runs.finish(tx, "a", RunStatus.ERROR, NOW_MS, error="x", details={"ok": 1, "failed": 3})
        runs.finish(tx, "c", RunStatus.SUCCESS, NOW_MS, details={"ok": 4, "failed": 0})
    assert found(desk)["failed_cycle"] is Severity.HIGH


@pytest.mark.parametrize("status", [RunStatus.ERROR, RunStatus.TIMEOUT])
def test_a_cycle_that_ended_without_a_count_failed(desk: Desk, status: RunStatus) -> None:
    with desk.ledger.begin() as tx:
        runs.start(
            tx, JobRun("c", "collector", Mode.PAPER, "h", 1, NOW_MS, None, RunStatus.RUNNING, None, None, {})
        )
        runs.finish(tx, "c", status, NOW_MS, error="x", details={"duration_s": 1.0})
    assert found(desk)["failed_cycle"] is Severity.HIGH


def test_a_damaged_current_model_is_found(desk: Desk) -> None:
    series = desk.series[0]
    older, newer = (keep(desk.registry, number, series_key=series.key) for number in (1, 2))
    for version in (older, newer):
        desk.registry.use("trend", series, version)
    assert "damaged_model" not in found(desk)
    spoil(desk.registry, newer)
    (one,) = (n for n in look(desk, NOW_MS) if n.check == "damaged_model")
    assert (one.severity, one.subject) == (Severity.HIGH, f"trend {series.key}")
    assert one.detail == {"damaged": newer, "served": older}
    spoil(desk.registry, older)
    (one,) = (n for n in look(desk, NOW_MS) if n.check == "damaged_model")
    assert one.detail == {"damaged": newer, "served": None}


def test_findings_are_kept_in_ledger_and_file(desk: Desk) -> None:
    outcome = look_for_anomalies(desk, RUN)
    assert outcome.failed is None
    with desk.ledger.read() as tx:
        kept = findings.recent(tx)
    assert len(kept) == outcome.rows == 4
    page = json.loads((desk.paths.reports / "anomalies.json").read_text())
    assert {one["check"] for one in page["findings"]} == {"old_model", "job_failed"}


def telegram_desk(folder: Path, url: str) -> Desk:
    return seeded_desk(
        folder,
        venue={"instruments": ["BTC/USDT"]},
        notify={"telegram_bot_token": TOKEN, "telegram_chat_id": "42", "telegram_base_url": url},
    )


def test_trap_a30_36_alerts_are_told_once_and_recovery_too(tmp_path: Path, bot: Bot) -> None:
    with telegram_desk(tmp_path, bot.url) as desk:
        later(desk, 4 * HOUR_MS)
        look_for_anomalies(desk, RUN)
        told = [body["text"] for _, body in bot.messages]
        assert any(text.startswith("[HIGH] stale_data") for text in told)
        assert not any("WARNING" in text for text in told)
        look_for_anomalies(desk, RUN)
        assert len(bot.messages) == len(told), "the same findings are not told again"
        for series in desk.series:
            newest = candles(64).between(NOW_MS - 2 * HOUR_MS, None)
            shifted = type(newest)(
                newest.timeframe, newest.open_ms + 4 * HOUR_MS, newest.open, newest.high, newest.low,
                newest.close, newest.volume,
            )  # fmt: skip
            desk.lake.append(series, shifted, source="test", mode=desk.mode, now=desk.clock.now_ms())
        look_for_anomalies(desk, RUN)
        assert any(body["text"].startswith("[RECOVERED] stale_data") for _, body in bot.messages)


def test_trap_a30_36_an_alert_that_cannot_be_delivered_fails_the_run(tmp_path: Path, bot: Bot) -> None:
    bot.status = 500
    with telegram_desk(tmp_path, bot.url) as desk:
        outcome = look_for_anomalies(desk, RUN)
    assert outcome.failed is not None
    assert "not delivered" in outcome.failed
    assert TOKEN not in outcome.failed


def test_an_alert_that_was_not_delivered_is_told_with_the_next_positions_run(
    tmp_path: Path, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.status = 500
    wall = WallClock().now_ms()
    with telegram_desk(tmp_path, bot.url) as desk:
        look_for_anomalies(desk, RUN)
        refused = len(bot.messages)
        for status, minutes, told in ((500, 5, 1), (200, 15, 3), (200, 20, 0)):
            bot.status, before = status, len(bot.messages)
            monkeypatch.setattr(WallClock, "now_ms", lambda _, at=wall + minutes * MINUTE_MS: at)
            assert advance_positions(desk, Run("p", "positions")).failed is None
            assert len(bot.messages) - before == told, "a channel that is down is asked once"
        assert refused == 1
        assert {body["text"].partition(" ")[0] for _, body in bot.messages} == {"[HIGH]"}
        assert look_for_anomalies(desk, RUN).failed is None


def test_a_round_that_breaks_costs_no_positions_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_desk: Desk) -> None:
        raise ValueError("a header that is no number")

    monkeypatch.setattr("sereno.ops.steps.tell.tell_waiting", broken)
    assert advance_positions(desk, Run("p", "positions")).failed is None


def test_drawdown_is_measured_from_the_peak_of_the_accounts_life(desk: Desk) -> None:
    """Slowly enough, no week loses much."""
    later(desk, DAY_MS)
    start = desk.clock.now_ms() - 60 * DAY_MS
    with desk.ledger.begin() as tx:
        for day in range(61):
            value = Decimal(12_000 - 25 * day)
            equity.add(tx, EquityPoint(start + day * DAY_MS, desk.mode, "paper", value, Decimal(0)))
    assert found(desk)["drawdown"] is Severity.CRITICAL


def test_trap_e4_12_records_do_not_pile_up_for_ever(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        _run(tx, "collector", NOW_MS - 500 * DAY_MS, RunStatus.SUCCESS)
    look_for_anomalies(desk, RUN)
    with desk.ledger.read() as tx:
        oldest = min(run.started_ms for run in runs.latest(tx, None, 1000))
    assert oldest > NOW_MS - 400 * DAY_MS
