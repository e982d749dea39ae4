"""The schema goes up and down with data in it, and equals what the code expects."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from sereno.core.errors import FixConfig, StopTrading
from sereno.core.mode import Mode
from sereno.core.order import EquityPoint, ExitReason, Terms
from sereno.core.signal import Decision, Refusal
from sereno.signals.words import GATE, Reason
from sereno.store.ledger import (
    Ledger,
    alerts,
    audit,
    counters,
    equity,
    fills,
    findings,
    forecasts,
    instruments,
    leases,
    model_versions,
    open_ledger,
    orders,
    positions,
    risk_state,
    runs,
    signals,
)
from sereno.store.ledger.opening import HEAD, REVISIONS, revision
from sereno.store.ledger.runs import RunStatus
from sereno.store.ledger.schema import AGGREGATES, metadata
from sereno.store.ledger.upgrading import downgrade, script, upgrade
from tests.store import ledger_examples as examples
from tests.store.test_ledger_records import MODEL, RULES, RUN


def fill_every_table(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        instruments.save(tx, examples.BTC, RULES, examples.DAY)
        runs.start(tx, replace(RUN, holder="host:boot:42:7"))
        counters.add(tx, "things", {"kind": "a"}, 3)
        alerts.add(tx, examples.alert())
        leases.acquire(tx, "job", "me", examples.DAY, 1000)
        forecasts.save(tx, "fc1", examples.HOURLY, Mode.PAPER, examples.outlook())
        examples.populate(tx)
        equity.add(tx, EquityPoint(examples.DAY, Mode.PAPER, "paper", examples.NO_FLOAT, examples.NO_FLOAT))
        risk_state.save(tx, examples.risk(), 0)
        model_versions.save(tx, MODEL)
        audit.append(tx, examples.DAY, "me", "did", "it", {"n": 1})
        findings.add(tx, findings.Finding("x1", examples.DAY, "stale", "high", "BTC", "old", {}))


def contents(tx: Connection, without: dict[str, set[str]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(metadata.tables):
        if name in without and "*" in without[name]:
            continue
        rows = tx.exec_driver_sql(f"SELECT * FROM {name}").mappings().all()
        found[name] = [{k: v for k, v in row.items() if k not in without.get(name, ())} for row in rows]
    return found


def test_the_newest_revision_is_the_one_that_opening_expects() -> None:
    known = [one.revision for one in script().walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS
    assert script().get_current_head() == HEAD


def test_the_revisions_lie_inside_the_package() -> None:
    import sereno.store.ledger as package

    folder = Path(str(package.__file__)).parent / "migrations"
    assert (folder / "env.py").is_file()
    assert len(list((folder / "versions").glob("v*.py"))) == len(REVISIONS)


def test_every_aggregate_is_in_the_schema() -> None:
    assert {one.table.name for one in AGGREGATES} == set(metadata.tables)


def test_trap_a12_12_migrated_schema_equals_the_codes(ledger: Ledger) -> None:
    with ledger.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_rules_of_the_migrated_schema_equal_the_codes(fresh_url: str) -> None:
    migrated = open_ledger(fresh_url)
    with migrated.begin() as tx:
        before = rules_of(tx)
        metadata.drop_all(tx)
        metadata.create_all(tx)
        assert rules_of(tx) == before
    migrated.close()


def rules_of(tx: Connection) -> dict[str, object]:
    look = inspect(tx)
    return {
        name: (
            sorted((c["name"], c["sqltext"]) for c in look.get_check_constraints(name)),
            sorted((str(c["name"]), tuple(c["column_names"])) for c in look.get_unique_constraints(name)),
            sorted((str(c["name"]), str(c["referred_table"])) for c in look.get_foreign_keys(name)),
            sorted((str(c["name"]), tuple(c["column_names"])) for c in look.get_indexes(name)),
            tuple(look.get_pk_constraint(name)["constrained_columns"]),
        )
        for name in metadata.tables
    }


def test_down_and_up_again_with_data_in_every_table(ledger: Ledger) -> None:
    fill_every_table(ledger)
    lost = {"findings": {"*"}, "alerts": {"*"}, "counters": {"*"}, "job_runs": {"details", "holder"}}
    terms = {"horizon_bars", "trail_quote"}
    lost |= {"signals": {"refusals"}, "orders": terms, "positions": terms | {"candles_digest"}}
    lost |= {"risk_state": {"lost_ms"}, "model_versions": {"saved_wall_ms"}}
    with ledger.read() as tx:
        before = contents(tx, lost)
    assert all(rows for rows in before.values())
    downgrade(ledger, "0001")
    assert revision(ledger) == "0001"
    with ledger.read() as tx:
        assert contents(tx, lost) == before
        assert not {"alerts", "findings", "counters"} & set(inspect(tx).get_table_names())
    upgrade(ledger)
    with ledger.read() as tx:
        assert contents(tx, lost) == before
        assert findings.recent(tx) == []
        assert runs.latest(tx)[0].details == {}
        assert runs.latest(tx)[0].holder is None
        assert fills.get(tx, "f1") == examples.fill()
    with pytest.raises(StopTrading, match="sealed"), ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM fills")


def test_counts_begin_with_the_runs_that_are_there(ledger: Ledger) -> None:
    """A counter that a scrape has seen must not fall because the schema moved."""
    with ledger.begin() as tx:
        for number, status in enumerate((RunStatus.ERROR, RunStatus.ERROR, RunStatus.SUCCESS)):
            runs.start(tx, replace(RUN, run_id=f"e{number}"))
            runs.finish(tx, f"e{number}", status, examples.DAY)
        runs.start(tx, replace(RUN, run_id="goes on", holder="me"))
        before = counters.all(tx)
    downgrade(ledger, "0002")
    with ledger.read() as tx:
        assert len(tx.exec_driver_sql("SELECT run_id FROM job_runs").all()) == 4
    upgrade(ledger)
    with ledger.begin() as tx:
        assert counters.all(tx) == before
        assert counters.total(tx, runs.ENDED, job="train", status="error") == 2
        runs.finish(tx, "goes on", RunStatus.ERROR, examples.DAY)
        assert counters.total(tx, runs.ENDED, job="train", status="error") == 3, "the same spelling of labels"
        assert len(counters.all(tx)) == len(before)


SAID = (
    ("stale_candle", "the candle closed 3.0 bars ago, 1 is too late"),
    ("cooldown", "resting for 3 bars after the signal of 2024-10-04T00:00:00Z"),
    ("daily_loss", "paused until 2024-10-05T00:00:00Z"),
    ("prob_below_min", "probability 0.3000 is below 0.4200"),
)
OLD_PROSE = (
    "stale_candle: the candle closed 3.0 bars ago, 1 is too late; "
    "cooldown: resting for 3 bars after the signal of 2024-10-04T00:00:00Z; "
    "risk_gate: daily_loss paused until 2024-10-05T00:00:00Z; "
    "prob_below_min: probability 0.3000 is below 0.4200"
)


def told_before(signal_id: str, reason: str, prose: str, tx: Connection, *, ts: int = examples.DAY) -> None:
    """A signal as revision 0003 kept it."""
    signals.save(tx, examples.signal(signal_id, ts=ts, decision=Decision.NO_TRADE))
    row = signals.table.c.signal_id == signal_id
    tx.execute(signals.table.update().where(row).values(reason=reason, reason_detail=prose, refusals=[]))


@pytest.mark.parametrize("rows_at_once", [1, 1000])
def test_the_prose_of_old_refusals_becomes_rows(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    module = script().get_revision("0004").module
    old = {
        "a": ("stale_candle", OLD_PROSE),
        "b": ("risk_gate", "risk_gate: cooldown resting for 3 bars of 4h"),
        "c": ("risk_gate", "risk_gate: blocked by hand: no; risk_above_max: risk score 0.9 is above 0.7"),
        "d": ("no_edge", "no_edge: neither side has a positive expected utility after costs"),
        "e": ("older", "prose; of: nobody"),
        "f": ("risk_gate", "risk_gate: risk_state_missing"),
    }
    with ledger.begin() as tx:
        signals.save(tx, examples.signal("taken"))
        for signal_id, (reason, prose) in old.items():
            told_before(signal_id, reason, prose, tx)
    downgrade(ledger, "0003")
    with ledger.read() as tx:
        kept = tx.exec_driver_sql("SELECT signal_id, reason, reason_detail FROM signals ORDER BY signal_id")
        before = kept.all()
    assert {row[0]: (row[1], row[2]) for row in before if row[0] != "taken"} == old
    monkeypatch.setattr(module, "BATCH", rows_at_once)
    upgrade(ledger)
    with ledger.read() as tx:
        found = {one.signal_id: one for one in signals.recent(tx)}
    assert found["taken"] == examples.signal("taken")
    assert [(no.reason, no.detail) for no in found["a"].refusals] == list(SAID)
    assert found["a"].reason_detail == "; ".join(f"{name}: {detail}" for name, detail in SAID)
    assert {name: one.reason for name, one in found.items() if name != "taken"} == {
        "a": "stale_candle",
        "b": "cooldown_other_timeframe",
        "c": "blocked",
        "d": "no_edge",
        "e": "older",
        "f": "risk_state_missing",
    }
    assert found["c"].refusals[0] == Refusal("blocked", "by hand: no")
    assert found["e"].refusals == ()
    downgrade(ledger, "0003")
    with ledger.read() as tx:
        kept = tx.exec_driver_sql("SELECT signal_id, reason, reason_detail FROM signals ORDER BY signal_id")
        assert kept.all() == before
    upgrade(ledger)


def test_the_migration_knows_every_reason_of_its_day() -> None:
    """A row that goes down with a later one stays as it is."""
    module = script().get_revision("0004").module
    later = {Reason.OTHER_QUOTE}
    assert {*module.RULES, *module.GATES, Reason.TAKEN} == set(Reason) - later
    assert GATE - later == module.GATES


def test_down_to_nothing_and_up_again(ledger: Ledger) -> None:
    fill_every_table(ledger)
    downgrade(ledger, "base")
    assert revision(ledger) is None
    with ledger.read() as tx:
        assert set(inspect(tx).get_table_names()) <= {"alembic_version"}
    upgrade(ledger)
    fill_every_table(ledger)
    with ledger.read() as tx:
        assert signals.get(tx, "s1") == examples.signal()


def test_an_old_ledger_with_data_is_brought_up_by_opening(fresh_url: str) -> None:
    old = open_ledger(fresh_url)
    with old.begin() as tx:
        examples.populate(tx)
    downgrade(old, "0001")
    old.close()
    ledger = open_ledger(fresh_url)
    assert revision(ledger) == HEAD
    with ledger.read() as tx:
        assert orders.get(tx, "o1") == replace(examples.order(), terms=None)
        assert positions.get(tx, "p1") == replace(examples.position(), terms=None)
    ledger.close()


def test_positions_of_before_terms_were_kept_are_taken_over_and_given_theirs_once(ledger: Ledger) -> None:
    """Closed ones stay sealed as they are; an open one takes terms, and no others afterwards."""
    closed = replace(
        examples.position("p2", signal_id="s2"),
        exit_ms=examples.DAY + 1,
        exit_price=examples.NO_FLOAT,
        exit_reason=ExitReason.TIME,
        pnl_quote=examples.NO_FLOAT,
    )
    with ledger.begin() as tx:
        examples.populate(tx)
        signals.save(tx, examples.signal("s2", ts=examples.DAY + 1))
        positions.save(tx, closed)
    downgrade(ledger, "0004")
    with ledger.read() as tx:
        assert len(tx.exec_driver_sql("SELECT position_id FROM positions").all()) == 2
    upgrade(ledger)
    with ledger.begin() as tx:
        assert positions.get(tx, "p2") == replace(closed, terms=None)
        with pytest.raises(StopTrading, match="closed"):
            positions.save(tx, closed)
        positions.save(tx, examples.position())
        assert positions.get(tx, "p1") == examples.position()
        for other in (None, Terms(21, Decimal("1.5"))):
            with pytest.raises(StopTrading, match="entry_changed"):
                positions.save(tx, replace(examples.position(), terms=other))


def test_positions_of_before_candles_were_digested_have_no_digest(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        examples.populate(tx)
        positions.save(tx, replace(examples.position(), candles_digest="d"))
    downgrade(ledger, "0005")
    upgrade(ledger)
    with ledger.read() as tx:
        assert positions.get(tx, "p1") == replace(examples.position(), candles_digest=None)


def test_a_migration_that_fails_changes_nothing(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.exec_driver_sql("DROP INDEX orders_by_position")
    with pytest.raises(StopTrading):
        downgrade(ledger, "0001")
    assert revision(ledger) == HEAD
    with ledger.read() as tx:
        assert "findings" in inspect(tx).get_table_names()


def test_a_revision_that_does_not_exist_is_refused(ledger: Ledger) -> None:
    with pytest.raises(FixConfig, match="ledger.no_such_revision"):
        downgrade(ledger, "0000abcd")
