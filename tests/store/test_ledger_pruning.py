"""Which rows are old, and how they go: in batches, and never one that something rests on."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import event

from sereno.core.mode import Mode
from sereno.core.order import EquityPoint
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS, HOUR_MS
from sereno.store.ledger import (
    Ledger,
    alerts,
    equity,
    findings,
    forecasts,
    model_versions,
    orders,
    positions,
    runs,
    signals,
)
from sereno.store.ledger.alerts import AlertState
from sereno.store.ledger.pruning import BATCH_ROWS, drop, overwrite
from sereno.store.ledger.runs import RunStatus
from tests.store.ledger_examples import DAY, HOURLY, alert, order, outlook, position, signal
from tests.store.test_ledger_records import MODEL, RUN


def refusals(ledger: Ledger, many: int) -> None:
    with ledger.begin() as tx:
        for n in range(many):
            signals.save(tx, signal(f"n{n}", ts=DAY + n, decision=Decision.NO_TRADE))


def test_a_refused_signal_goes_and_a_taken_or_used_one_stays(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, signal("s1"))
        for name in ("refused", "ordered", "held", "new"):
            at = DAY + 5 if name == "new" else DAY
            signals.save(tx, signal(name, ts=at, decision=Decision.NO_TRADE))
        orders.add(tx, replace(order("o1"), signal_id="ordered"))
        positions.save(tx, position("p1", signal_id="held"))
    assert drop(ledger, signals.table, signals.refused(DAY + 5)) == 1
    with ledger.read() as tx:
        assert {one.signal_id for one in signals.recent(tx)} == {"s1", "ordered", "held", "new"}


def test_features_go_first_and_the_rest_of_the_signal_stays_to_the_bit(ledger: Ledger) -> None:
    refused = signal("no", decision=Decision.NO_TRADE)
    with ledger.begin() as tx:
        signals.save(tx, refused)
        signals.save(tx, signal("s1"))
    old = signals.refused_with_features(DAY + 1)
    assert overwrite(ledger, signals.table, old, signals.WITHOUT_FEATURES) == 1
    assert overwrite(ledger, signals.table, old, signals.WITHOUT_FEATURES) == 0
    with ledger.read() as tx:
        assert signals.get(tx, "no") == replace(refused, features=())
        assert signals.get(tx, "s1") == signal("s1")


def test_of_each_job_the_newest_that_ended_in_each_way_stays(ledger: Ledger) -> None:
    ends = [RunStatus.ERROR, RunStatus.SUCCESS, RunStatus.ERROR, RunStatus.SUCCESS, RunStatus.TIMEOUT]
    with ledger.begin() as tx:
        for job in ("train", "walkforward"):
            for n, status in enumerate(ends):
                runs.start(tx, replace(RUN, run_id=f"{job}{n}", job=job, started_ms=DAY + n))
                runs.finish(tx, f"{job}{n}", status, DAY + n)
        runs.start(tx, replace(RUN, run_id="of sim", mode=Mode.SIM))
        runs.finish(tx, "of sim", RunStatus.SUCCESS, DAY)
        runs.start(tx, replace(RUN, run_id="goes on"))
    assert drop(ledger, runs.table, runs.old(DAY + DAY_MS)) == 4
    with ledger.read() as tx:
        kept = {run.run_id for run in runs.latest(tx)}
    assert kept == {
        "of sim",
        "goes on",
        *(f"{job}{n}" for job in ("train", "walkforward") for n in (2, 3, 4)),
    }
    assert drop(ledger, runs.table, runs.old(DAY)) == 0


def test_equity_keeps_the_last_of_each_day_and_the_first_of_all(ledger: Ledger) -> None:
    day = DAY - DAY % DAY_MS
    stamps = [day + n * 5 * HOUR_MS for n in range(20)]
    with ledger.begin() as tx:
        for mode, account in ((Mode.PAPER, "paper"), (Mode.PAPER, "other"), (Mode.SIM, "paper")):
            for n, ts in enumerate(stamps):
                equity.add(tx, EquityPoint(ts, mode, account, Decimal(n), Decimal(0)))
    before = day + 3 * DAY_MS
    assert drop(ledger, equity.table, equity.old(before) & (equity.table.c.account == "paper")) == 2 * 11
    last_of_day = {max(ts for ts in stamps if ts // DAY_MS == d) for d in {ts // DAY_MS for ts in stamps}}
    expected = sorted({stamps[0], *last_of_day, *(ts for ts in stamps if ts >= before)})
    with ledger.read() as tx:
        assert [p.ts for p in equity.series(tx, Mode.PAPER, "paper")] == expected
        assert [p.ts for p in equity.series(tx, Mode.SIM, "paper")] == expected
        assert [p.ts for p in equity.series(tx, Mode.PAPER, "other")] == stamps


def test_forecasts_findings_alerts_and_models_that_are_old(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        for at, name in ((DAY, "old"), (DAY + 9, "new")):
            forecasts.save(tx, name, HOURLY, Mode.PAPER, outlook(at))
            findings.add(tx, findings.Finding(name, at, "stale", "high", "BTC", "old", {}))
            alerts.add(tx, alert(name, ts=at, state=AlertState.LOGGED))
            model_versions.save(tx, replace(MODEL, version=name, created_ms=at))
        alerts.add(tx, alert("waits"))
        model_versions.save(tx, replace(MODEL, version="serves", serving=True))
    for one in (forecasts, findings, alerts, model_versions):
        assert drop(ledger, one.table, one.old(DAY + 9)) == 1, one.__name__
    with ledger.read() as tx:
        assert [one.forecast_id for one in forecasts.recent(tx)] == ["new"]
        assert [one.finding_id for one in findings.recent(tx)] == ["new"]
        assert {one.alert_id for one in alerts.newest(tx, Mode.PAPER, 9)} == {"new", "waits"}
        assert {one.version for one in model_versions.recent(tx)} == {"new", "serves"}


def test_no_transaction_changes_more_than_a_batch(ledger: Ledger) -> None:
    refusals(ledger, 2 * BATCH_ROWS + 7)
    changed: list[int] = []

    def note(_c: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            changed.append(cursor.rowcount)  # type: ignore[attr-defined]

    commits: list[int] = []
    event.listen(ledger.engine, "after_cursor_execute", note)
    event.listen(ledger.engine, "commit", lambda _: commits.append(1))
    assert drop(ledger, signals.table, signals.refused(DAY + DAY_MS)) == 2 * BATCH_ROWS + 7
    assert changed == [BATCH_ROWS, BATCH_ROWS, 7]
    assert len(commits) == 3


def test_another_writer_comes_in_between(ledger: Ledger) -> None:
    """Between two batches the lock is free."""
    refusals(ledger, 3 * BATCH_ROWS)
    written: list[int] = []

    def write() -> None:
        with ledger.begin() as tx:
            signals.save(tx, signal("between"))
            written.append(1)

    def after_look(_: object) -> None:
        if not written:
            other = threading.Thread(target=write)
            other.start()
            other.join(timeout=10)

    event.listen(ledger.engine, "rollback", after_look)  # the end of a look
    assert drop(ledger, signals.table, signals.refused(DAY + DAY_MS)) == 3 * BATCH_ROWS
    assert written == [1]


def test_what_is_used_in_the_meantime_is_not_touched(ledger: Ledger) -> None:
    """The lock is taken after the look: an order may have come to rest on a signal that was found old."""
    with ledger.begin() as tx:
        signals.save(tx, signal("no", decision=Decision.NO_TRADE))
    done: list[int] = []

    def use_it(_: object) -> None:
        if not done:
            done.append(1)
            with ledger.begin() as tx:
                orders.add(tx, replace(order(), signal_id="no"))

    event.listen(ledger.engine, "rollback", use_it)
    assert drop(ledger, signals.table, signals.refused(DAY + 1)) == 0
    with ledger.read() as tx:
        assert signals.get(tx, "no") is not None
        assert orders.get(tx, "o1") is not None
