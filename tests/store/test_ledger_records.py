"""Runs, instruments, forecasts, signals, equity, models, audit and findings: in and out unchanged."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from sereno.core.errors import StopTrading
from sereno.core.forecast import Forecast
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.mode import Mode
from sereno.core.order import EquityPoint
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import Timeframe
from sereno.store.ledger import (
    Ledger,
    audit,
    equity,
    findings,
    forecasts,
    instruments,
    model_versions,
    runs,
    signals,
)
from sereno.store.ledger.runs import JobRun, RunStatus
from tests.store.ledger_examples import BTC, DAY, ETH, HOURLY, NO_FLOAT, outlook, signal

RULES = InstrumentRules(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal("5"))
RUN = JobRun("r1", "train", Mode.PAPER, "host", 42, DAY, None, RunStatus.RUNNING, None, None, {"a": [1]})
MODEL = model_versions.ModelVersion(
    "20260101T000000Z-aaaaaaaa", "trend", HOURLY.key, DAY, False, None, {"auc": 0.1 + 0.2}, "f" * 64
)


def test_instruments(ledger: Ledger) -> None:
    finer = replace(RULES, price_tick=Decimal("0.001"))
    with ledger.begin() as tx:
        assert instruments.rules(tx, BTC) is None
        instruments.save(tx, BTC, RULES, DAY)
        instruments.save(tx, ETH, RULES, DAY)
        instruments.save(tx, BTC, finer, DAY + 1)
        assert instruments.rules(tx, BTC) == finer
        assert instruments.all(tx) == {BTC: finer, ETH: RULES}


def test_an_instrument_without_a_tick_is_refused(ledger: Ledger) -> None:
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        instruments.save(tx, BTC, replace(RULES, price_tick=Decimal(0)), DAY)


def test_a_run_ends_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        runs.start(tx, RUN)
        assert runs.running(tx, "train") == [RUN]
        assert runs.finish(tx, "r1", RunStatus.TIMEOUT, DAY + 5, error="killed", details={"x": 1.5})
        assert not runs.finish(tx, "r1", RunStatus.SUCCESS, DAY + 9, rows=7)
        assert not runs.finish(tx, "unknown", RunStatus.SUCCESS, DAY + 9)
        ended = replace(RUN, status=RunStatus.TIMEOUT, ended_ms=DAY + 5, error="killed", details={"x": 1.5})
        assert runs.latest(tx) == [ended]
        assert runs.running(tx) == []


def test_a_run_id_is_used_once(ledger: Ledger) -> None:
    with pytest.raises(StopTrading, match="run.repeated_id"), ledger.begin() as tx:
        runs.start(tx, RUN)
        runs.start(tx, RUN)


def test_runs_are_found_by_job_and_status(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        for number in range(6):
            job = "train" if number % 2 else "signals"
            runs.start(tx, replace(RUN, run_id=f"r{number}", job=job, started_ms=DAY + number))
        for number in range(4):
            status = RunStatus.SUCCESS if number < 2 else RunStatus.ERROR
            runs.finish(tx, f"r{number}", status, DAY + 100)
        assert [run.run_id for run in runs.latest(tx, limit=3)] == ["r5", "r4", "r3"]
        assert [run.run_id for run in runs.latest(tx, "train")] == ["r5", "r3", "r1"]
        assert [run.run_id for run in runs.running(tx)] == ["r4", "r5"]
        newest = runs.last(tx, "train", Mode.PAPER)
        good = runs.last(tx, "train", Mode.PAPER, (RunStatus.SUCCESS,))
        assert newest is not None
        assert good is not None
        assert (newest.run_id, good.run_id) == ("r5", "r1")
        assert runs.last(tx, "nothing", Mode.PAPER) is None


def test_runs_of_another_mode_or_status_take_no_place_of_those_that_are_wanted(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        runs.start(tx, replace(RUN, run_id="wanted", started_ms=DAY))
        runs.finish(tx, "wanted", RunStatus.ERROR, DAY)
        for number in range(30):
            later = replace(RUN, run_id=f"{number}", started_ms=DAY + number + 1)
            runs.start(tx, replace(later, mode=Mode.LIVE, status=RunStatus.ERROR) if number % 2 else later)
        ended = runs.last(tx, "train", Mode.PAPER, runs.OVER)
        assert ended is not None
        assert ended.run_id == "wanted"
        failed = runs.latest(tx, None, 2, mode=Mode.PAPER, statuses=(RunStatus.ERROR,))
        assert [run.run_id for run in failed] == ["wanted"]
        assert len(runs.latest(tx, None, 2, mode=Mode.LIVE)) == 2


def test_forecasts_keep_every_bit(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert forecasts.save(tx, "a", HOURLY, Mode.PAPER, outlook())
        assert not forecasts.save(tx, "a", HOURLY, Mode.PAPER, outlook(DAY + 1))
        forecasts.save(tx, "b", Series(ETH, Timeframe.W1), Mode.SIM, outlook(DAY + 2))
        found = forecasts.get(tx, "a")
        assert found is not None
        assert found.forecast == outlook()
        assert [float.hex(getattr(found.forecast, n)) for n in ("prob_up", "expected_return", "p90")] == [
            float.hex(getattr(outlook(), n)) for n in ("prob_up", "expected_return", "p90")
        ]
        assert [one.forecast_id for one in forecasts.recent(tx)] == ["b", "a"]
        assert [one.forecast_id for one in forecasts.recent(tx, HOURLY)] == ["a"]
        assert [one.forecast_id for one in forecasts.recent(tx, mode=Mode.SIM)] == ["b"]
        assert forecasts.get(tx, "c") is None


def test_a_signal_comes_back_as_it_was_to_the_bit(ledger: Ledger) -> None:
    given = signal()
    with ledger.begin() as tx:
        assert signals.save(tx, given)
        assert not signals.save(tx, replace(given, reason="another"))
    with ledger.read() as tx:
        found = signals.get(tx, "s1")
    assert found == given
    assert found is not None
    assert found.atr.hex() == given.atr.hex()
    assert [value.hex() for _, value in found.features] == [value.hex() for _, value in given.features]


def test_a_feature_that_was_missing_is_still_missing(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, replace(signal(), features=(("adx_14", math.nan), ("rsi_14", -0.0))))
        found = signals.get(tx, "s1")
    assert found is not None
    assert math.isnan(found.features[0][1])
    assert math.copysign(1, found.features[1][1]) == -1


def test_refused_signals_are_kept_beside_taken_ones(ledger: Ledger) -> None:
    no_side = replace(
        signal("s3", ts=DAY + 3, decision=Decision.NO_TRADE),
        side=None,
        confidence=None,
        stop=None,
        target=None,
    )
    with ledger.begin() as tx:
        signals.save(tx, signal("s1"))
        signals.save(tx, signal("s2", ts=DAY + 2, decision=Decision.SHORT))
        signals.save(tx, no_side)
        signals.save(
            tx, signal("s4", ts=DAY + 4, decision=Decision.NO_TRADE, series=Series(ETH, Timeframe.H1))
        )
        signals.save(tx, signal("s5", ts=DAY + 5, mode=Mode.LIVE))
        assert signals.get(tx, "s3") == no_side
        assert ids(signals.recent(tx)) == ["s5", "s4", "s3", "s2", "s1"]
        assert ids(signals.recent(tx, HOURLY, limit=2)) == ["s5", "s3"]
        assert ids(signals.recent(tx, since=DAY + 4)) == ["s5", "s4"]
        assert ids(signals.recent(tx, decisions=[Decision.SHORT])) == ["s2"]
        assert ids(signals.recent(tx, mode=Mode.LIVE)) == ["s5"]
        assert ids(signals.recent(tx, instrument=ETH)) == ["s4"]
        newest = signals.latest(tx, HOURLY, Mode.PAPER)
        taken = signals.last_taken(tx, HOURLY, Mode.PAPER)
        assert newest == no_side
        assert taken is not None
        assert taken.signal_id == "s2"
        assert signals.last_taken(tx, Series(ETH, Timeframe.H1), Mode.PAPER) is None
        assert signals.latest(tx, Series(ETH, Timeframe.D1)) is None
        assert signals.count(tx, DAY) == {Decision.LONG: 2, Decision.SHORT: 1, Decision.NO_TRADE: 2}
        assert signals.count(tx, DAY + 1, until=DAY + 5, mode=Mode.PAPER, series=HOURLY) == {
            Decision.LONG: 0,
            Decision.SHORT: 1,
            Decision.NO_TRADE: 1,
        }


def ids(found: list[Signal]) -> list[str]:
    return [one.signal_id for one in found]


def test_a_signal_that_contradicts_itself_is_refused_by_the_database(ledger: Ledger) -> None:
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        signals.save(tx, replace(signal(), side=Decision.SHORT))
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        signals.save(tx, replace(signal(), stop=None))
    with pytest.raises(ValueError, match="rests on a forecast"), ledger.begin() as tx:
        signals.save(tx, replace(signal(), ts=DAY + 1))


def test_a_stored_forecast_that_cannot_be_true_is_not_believed(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        forecasts.save(tx, "a", HOURLY, Mode.PAPER, outlook())
        tx.exec_driver_sql("UPDATE forecasts SET prob_down = 0.9")
        with pytest.raises(StopTrading, match="ledger.unreadable_value"):
            forecasts.get(tx, "a")
    assert Forecast.__slots__[0] == "ts"


def test_equity_has_one_point_a_moment(ledger: Ledger) -> None:
    point = EquityPoint(DAY, Mode.PAPER, "paper", NO_FLOAT, -NO_FLOAT)
    later = replace(point, ts=DAY + 1, unrealised_quote=Decimal("-0.00000001"))
    with ledger.begin() as tx:
        assert equity.latest(tx, Mode.PAPER, "paper") is None
        for one in (point, point, later, replace(point, account="other"), replace(point, mode=Mode.SIM)):
            equity.add(tx, one)
        assert equity.series(tx, Mode.PAPER, "paper") == [point, later]
        assert equity.series(tx, Mode.PAPER, "paper", since=DAY + 1) == [later]
        assert equity.series(tx, Mode.PAPER, "paper", limit=1) == [later]
        assert equity.latest(tx, Mode.PAPER, "paper") == later


@pytest.mark.parametrize(
    ("rows", "points", "moments"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (7, 3, [0, 3, 6]), (8, 3, [1, 4, 7]), (5, 1, [4])],
)
def test_a_sampled_curve_is_bounded_and_ends_where_the_account_is(
    ledger: Ledger, rows: int, points: int, moments: list[int]
) -> None:
    point = EquityPoint(DAY, Mode.PAPER, "paper", NO_FLOAT, -NO_FLOAT)
    with ledger.begin() as tx:
        for ts in range(rows):
            equity.add(tx, replace(point, ts=ts))
            equity.add(tx, replace(point, ts=ts, mode=Mode.SIM))
        equity.add(tx, replace(point, account="other"))
        assert equity.sampled(tx, Mode.PAPER, "paper", points) == [replace(point, ts=ts) for ts in moments]


def test_one_model_version_serves(ledger: Ledger) -> None:
    second = replace(MODEL, version="20260102T000000Z-bbbbbbbb", created_ms=DAY + 1, refused_reason="worse")
    with ledger.begin() as tx:
        for one in (MODEL, second, replace(MODEL, role="risk")):
            model_versions.save(tx, one)
        model_versions.mark_serving(tx, "trend", HOURLY.key, MODEL.version)
        model_versions.mark_serving(tx, "trend", HOURLY.key, second.version)
        assert model_versions.recent(tx, serving=True) == [replace(second, serving=True)]
        assert model_versions.recent(tx, role="trend") == [replace(second, serving=True), MODEL]
        assert len(model_versions.recent(tx, series_key=HOURLY.key)) == 3
        saved = replace(MODEL, role="regime", version="20260101T000000Z-00000000", saved_wall_ms=5)
        model_versions.save(tx, replace(saved, version="20260101T000000Z-ffffffff", saved_wall_ms=4))
        model_versions.save(tx, saved)
        assert model_versions.recent(tx, role="regime")[0] == saved, "of one moment, the last that was saved"
        with pytest.raises(StopTrading, match="model_version.unknown"):
            model_versions.mark_serving(tx, "trend", HOURLY.key, "nothing")


def test_a_figure_that_is_missing_is_null(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        model_versions.save(tx, replace(MODEL, metrics={"auc": math.nan, "n": (1, 2)}))
        assert model_versions.recent(tx)[0].metrics == {"auc": None, "n": [1, 2]}


def test_the_audit_is_only_ever_added_to(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        audit.append(tx, DAY, "ana", "risk.clear", "paper", {"reason": "seen"})
        audit.append(tx, DAY + 1, "job:train", "models.use", "trend")
        newest, oldest = audit.recent(tx)
        assert (newest.actor, newest.detail) == ("job:train", {})
        assert (oldest.actor, oldest.action, oldest.detail) == ("ana", "risk.clear", {"reason": "seen"})
        assert audit.recent(tx, action="risk.clear") == [oldest]
        audit.append(tx, DAY + 2, "ana", "risk.clear", "paper", {})
        assert audit.first(tx, "risk.clear") == oldest
        assert audit.first(tx, "nothing") is None
    for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
        with pytest.raises(StopTrading, match="sealed"), ledger.begin() as tx:
            tx.exec_driver_sql(statement)


def test_findings(ledger: Ledger) -> None:
    finding = findings.Finding("x1", DAY, "stale_data", "high", BTC.key, "no candle for 3 h", {"age_ms": 3})
    with ledger.begin() as tx:
        assert findings.add(tx, finding)
        assert not findings.add(tx, replace(finding, message="again"))
        findings.add(tx, replace(finding, finding_id="x2", ts=DAY + 1, severity="low"))
        assert findings.recent(tx, severity="high") == [finding]
        assert [one.finding_id for one in findings.recent(tx)] == ["x2", "x1"]
        assert [one.finding_id for one in findings.recent(tx, since=DAY + 1)] == ["x2"]
