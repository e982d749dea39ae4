"""Invariant 10: every table of the ledger has a bound, and the record of money has none."""

from __future__ import annotations

from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select

from sereno.core.errors import FixConfig, StopTrading
from sereno.core.mode import Mode
from sereno.core.settings import load
from sereno.core.settings.sections import RetentionSettings
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS
from sereno.ops import retention
from sereno.ops.facts import failures
from sereno.ops.retention import FOR_EVER, RULES, SMALL, Rule
from sereno.ops.run import Run
from sereno.ops.steps.anomaly import look_for_anomalies
from sereno.store.ledger import (
    Ledger,
    alerts,
    counters,
    equity,
    fills,
    findings,
    forecasts,
    model_versions,
    open_ledger,
    orders,
    positions,
    runs,
    signals,
)
from sereno.store.ledger.alerts import AlertState
from sereno.store.ledger.runs import RunStatus
from sereno.store.ledger.schema import metadata
from tests.store import ledger_examples as examples
from tests.store.ledger_examples import DAY
from tests.store.test_ledger_records import MODEL, RUN
from tests.surfaces.seeded import NOW_MS, seeded_desk, signal_of

PER_DAY = 2
SMALLEST = RetentionSettings(
    runs_days=35,
    findings_days=7,
    alerts_days=7,
    forecasts_days=1,
    refused_features_days=1,
    refused_signals_days=30,
    equity_points_days=8,
    model_versions_days=30,
)


def test_every_table_is_bounded_or_kept_for_a_reason() -> None:
    pruned = {rule.table.name for rule in RULES}
    told = [*pruned, *FOR_EVER, *SMALL]
    assert sorted(told) == sorted(metadata.tables), "each exactly once"


def test_every_setting_of_the_section_is_a_rule_and_the_reverse() -> None:
    assert sorted(rule.days for rule in RULES) == sorted(RetentionSettings.model_fields)


@pytest.mark.parametrize("name", sorted(FOR_EVER))
def test_trap_b12_19_what_is_kept_for_ever_cannot_even_be_deleted(ledger: Ledger, name: str) -> None:
    with ledger.begin() as tx:
        examples.populate(tx)
        tx.exec_driver_sql(
            "INSERT INTO audit (ts, actor, action, subject, detail) VALUES (1, 'a', 'b', 'c', '{}')"
        )
    with pytest.raises(StopTrading, match="sealed"), ledger.begin() as tx:
        tx.exec_driver_sql(f"DELETE FROM {name}")


def live_through(tx: Connection, first_ms: int, days: int) -> None:
    """What a desk leaves: two of everything a day, every tenth signal taken and its order filled."""
    moments = range(first_ms, first_ms + days * DAY_MS, DAY_MS // PER_DAY)
    money = {
        "mode": Mode.PAPER,
        "account": "paper",
        "balance_quote": Decimal(1),
        "unrealised_quote": Decimal(0),
    }
    noticed = {"check_name": "c", "severity": "low", "subject": "s", "message": "m", "detail": {}}
    series = forecasts.series_values(examples.HOURLY)
    tx.execute(insert(equity.table), [{**money, "ts": ts} for ts in moments])
    tx.execute(insert(findings.table), [{**noticed, "finding_id": str(ts), "ts": ts} for ts in moments])
    tx.execute(
        insert(forecasts.table),
        [
            {
                "forecast_id": str(ts),
                "mode": Mode.PAPER,
                **series,
                **forecasts.outlook_values(examples.outlook(ts)),
            }
            for ts in moments
        ],
    )
    delivered = AlertState.DELIVERED
    tx.execute(
        insert(alerts.table), [asdict(examples.alert(str(ts), ts=ts, state=delivered)) for ts in moments]
    )
    tx.execute(
        insert(model_versions.table),
        [asdict(replace(MODEL, version=str(ts), created_ms=ts)) for ts in moments],
    )
    for ts in moments:
        _decide(tx, str(ts), ts, taken=(ts // (DAY_MS // PER_DAY)) % 10 == 0)


def _decide(tx: Connection, key: str, ts: int, *, taken: bool) -> None:
    runs.start(tx, replace(RUN, run_id=key, started_ms=ts))
    runs.finish(tx, key, RunStatus.ERROR if taken else RunStatus.SUCCESS, ts + 1)
    signals.save(tx, examples.signal(key, ts=ts, decision=Decision.LONG if taken else Decision.NO_TRADE))
    if taken:
        orders.add(tx, replace(examples.order(key), signal_id=key))
        fills.add(tx, replace(examples.fill(key), order_id=key))
        positions.save(tx, examples.position(key, signal_id=key))


def sizes(ledger: Ledger) -> dict[str, int]:
    c = signals.table.c
    with ledger.read() as tx:
        found = {
            name: int(tx.execute(select(func.count()).select_from(table)).scalar_one())
            for name, table in metadata.tables.items()
        }
        for what, which in (
            ("refused signals", c.decision == Decision.NO_TRADE),
            ("refused signals with features", signals.refused_with_features(2**60)),
        ):
            found[what] = int(tx.execute(select(func.count()).where(which)).scalar_one())
    return found


def test_over_years_what_can_grow_stays_bounded_and_the_rest_is_all_there(ledger: Ledger) -> None:
    step_days, steps = 80, 9
    seen: list[dict[str, int]] = []
    for n in range(steps):
        with ledger.begin() as tx:
            live_through(tx, DAY + n * step_days * DAY_MS, step_days)
        retention.apply(ledger, SMALLEST, Mode.PAPER, DAY + (n + 1) * step_days * DAY_MS)
        seen.append(sizes(ledger))
    s = SMALLEST
    bounds = {
        "job_runs": PER_DAY * s.runs_days + 1,
        "findings": PER_DAY * s.findings_days,
        "alerts": PER_DAY * s.alerts_days,
        "forecasts": PER_DAY * s.forecasts_days,
        "refused signals": PER_DAY * s.refused_signals_days,
        "refused signals with features": PER_DAY * s.refused_features_days,
        "model_versions": PER_DAY * s.model_versions_days,
        "counters": 2,
    }
    for name, most in bounds.items():
        assert 0 < max(one[name] for one in seen) <= most, name
        assert seen[-1][name] <= seen[0][name] + 1, f"{name} grows"
    days = step_days * steps
    assert seen[-1]["equity"] == days + s.equity_points_days * (PER_DAY - 1) + 1, "one a day, and the first"
    made = days * PER_DAY
    assert {seen[-1][name] for name in ("orders", "fills", "positions")} == {made // 10}
    assert seen[-1]["signals"] - seen[-1]["refused signals"] == made // 10
    with ledger.read() as tx:
        assert sum(one.value for one in counters.all(tx, runs.ENDED)) == made, "counts outlive the rows"
        assert failures(tx, "train", Mode.PAPER) == made // 10


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.days)
def test_each_setting_says_how_long(ledger: Ledger, rule: Rule) -> None:
    """A longer time keeps more: each of the section by its effect, the others being as they are."""
    with ledger.begin() as tx:
        live_through(tx, DAY, 50)
    now = DAY + 50 * DAY_MS
    longer = SMALLEST.model_copy(update={rule.days: 45})
    left = {}
    for name, given in (("longer", longer), ("shorter", SMALLEST)):
        retention.apply(ledger, given, Mode.PAPER, now)
        with ledger.read() as tx:
            old = rule.old(now - getattr(SMALLEST, rule.days) * DAY_MS)
            left[name] = tx.execute(select(func.count()).select_from(rule.table).where(old)).scalar_one()
    assert left["longer"] > left["shorter"] == 0


def test_rows_of_another_mode_are_left_to_its_own_desk(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        live_through(tx, DAY, 2)
    before = sizes(ledger)
    retention.apply(ledger, SMALLEST, Mode.SIM, DAY + 1000 * DAY_MS)
    after = sizes(ledger)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"findings", "model_versions"}


def test_under_the_lock_rows_are_found_by_their_key(tmp_path: Path) -> None:
    """SQLite has one lock for all writers: a scan under it would make the signals wait for the cleaning."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    with ledger.begin() as tx:
        live_through(tx, DAY, 50)
    made: list[tuple[str, Any]] = []
    event.listen(
        ledger.engine, "before_cursor_execute", lambda _c, _k, text, given, *_: made.append((text, given))
    )
    retention.apply(ledger, SMALLEST, Mode.PAPER, DAY + 50 * DAY_MS)
    changes = [(text, given) for text, given in made if text.startswith(("DELETE", "UPDATE"))]
    assert len(changes) == len(RULES)
    with ledger.read() as tx:
        for text, given in changes:
            plan = [str(row[3]) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all()]
            name = text.replace("DELETE FROM", "UPDATE").split()[1]
            ways = [step for step in plan if step.split()[:2] in (["SCAN", name], ["SEARCH", name])]
            assert ways, plan
            assert {way.split("INDEX ")[-1].split()[0] for way in ways} == {f"sqlite_autoindex_{name}_1"}, (
                plan
            )
    ledger.close()


def test_features_that_would_outlive_their_signal_are_refused(tmp_path: Path) -> None:
    given = {"retention.refused_features_days": "401", "retention.refused_signals_days": "400"}
    with pytest.raises(FixConfig, match="features cannot outlive their signal"):
        load(env={}, cwd=tmp_path, overrides=given)


def test_the_job_lets_old_records_go_and_says_how_many(tmp_path: Path) -> None:
    with seeded_desk(tmp_path, retention=SMALLEST.model_dump()) as desk:
        with desk.ledger.begin() as tx:
            findings.add(tx, findings.Finding("x", NOW_MS - 8 * DAY_MS, "stale", "high", "BTC", "old", {}))
            signals.save(tx, signal_of(desk.series[0], NOW_MS - 31 * DAY_MS, Decision.NO_TRADE))
        outcome = look_for_anomalies(desk, Run("r", "anomaly"))
        with desk.ledger.read() as tx:
            assert "x" not in {one.finding_id for one in findings.recent(tx)}
    let_go = outcome.details["let_go"]
    assert isinstance(let_go, dict)
    assert {what: n for what, n in let_go.items() if n} == {"findings": 1, "refused signals": 1}
