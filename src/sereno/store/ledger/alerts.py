"""The outbox: what people are to be told, kept until it was delivered or given up.

Moments named `wall_ms` are the host's: a network is as slow under an accelerated clock as under any.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, Row, Table, Text, TypedColumns, select, update

from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Tx, Word, metadata, one_of, whole
from sereno.store.ledger.rows import add_once


class AlertKind(StrEnum):
    """Something is wrong, or is well again."""

    RAISED = "raised"
    RECOVERED = "recovered"


class AlertState(StrEnum):
    """`waiting` until the first of the others is recorded; `logged`: there is no channel but the log."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    LOGGED = "logged"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about one finding. `key` names the finding, `severity` is the watch room's word.

    ts            desk time at which it was raised
    raised_wall_ms, next_try_wall_ms   host's time of that, and before which it is not tried (again)
    text          as it will be sent, without secrets
    """

    alert_id: str
    mode: Mode
    key: str
    kind: AlertKind
    severity: str
    text: str
    ts: UtcMs
    raised_wall_ms: UtcMs
    next_try_wall_ms: UtcMs
    tries: int = 0
    state: AlertState = AlertState.WAITING
    error: str | None = None


class AlertColumns(TypedColumns):
    """One row an alert."""

    alert_id = Column(Text, primary_key=True)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    key = Column(Text, nullable=False)
    kind: Column[AlertKind] = Column(Word(AlertKind), nullable=False)
    severity = Column(Text, nullable=False)
    text = Column(Text, nullable=False)
    ts = Column(whole, nullable=False)
    raised_wall_ms = Column(whole, nullable=False)
    next_try_wall_ms = Column(whole, nullable=False)
    tries = Column(whole, nullable=False)
    state: Column[AlertState] = Column(Word(AlertState), nullable=False)
    error = Column(Text)


table = Table(
    "alerts",
    metadata,
    AlertColumns,
    one_of("mode", Mode),
    one_of("kind", AlertKind),
    one_of("state", AlertState),
    Index("alerts_by_state", "state", "next_try_wall_ms"),
    Index("alerts_by_ts", "ts"),
    sqlite_strict=True,
)


def add(tx: Tx, alert: Alert) -> bool:
    """Keep an alert; False when its id is there already."""
    return add_once(tx, table, asdict(alert))


def waiting(tx: Tx, mode: Mode, limit: int, *, due_wall_ms: UtcMs | None = None) -> list[Alert]:
    """Alerts that were neither delivered nor given up, oldest first; only those to be tried by a moment."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.state == AlertState.WAITING)
    wanted = wanted if due_wall_ms is None else wanted.where(c.next_try_wall_ms <= due_wall_ms)
    found = tx.execute(wanted.order_by(c.raised_wall_ms, c.alert_id).limit(limit)).all()
    return [_alert(row) for row in found]


def newest(tx: Tx, mode: Mode, limit: int) -> list[Alert]:
    """The newest first, whatever became of them; the host's time orders those of one moment of the desk."""
    c = table.c
    newest_first = (c.ts.desc(), c.raised_wall_ms.desc(), c.alert_id.desc())
    wanted = select(table).where(c.mode == mode).order_by(*newest_first).limit(limit)
    return [_alert(row) for row in tx.execute(wanted).all()]


def claim(tx: Tx, alert: Alert, next_try_wall_ms: UtcMs) -> bool:
    """Count a try that is about to be made; False when another process was faster."""
    c = table.c
    untouched = (c.alert_id == alert.alert_id) & (c.state == AlertState.WAITING) & (c.tries == alert.tries)
    counted = {"tries": alert.tries + 1, "next_try_wall_ms": next_try_wall_ms}
    return tx.execute(update(table).where(untouched).values(counted)).rowcount > 0


def end(tx: Tx, alert_id: str, state: AlertState, *, tries: int, error: str | None = None) -> bool:
    """Record what became of a waiting alert; False when that is known already."""
    return _change(tx, alert_id, {"state": state, "tries": tries, "error": error})


def postpone(tx: Tx, alert_id: str, *, tries: int, next_try_wall_ms: UtcMs, error: str) -> bool:
    """Record a try that failed."""
    return _change(tx, alert_id, {"tries": tries, "next_try_wall_ms": next_try_wall_ms, "error": error})


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Alerts raised before a moment of the desk, save those that wait."""
    c = table.c
    return (c.ts < before_ms) & (c.state != AlertState.WAITING)


def _change(tx: Tx, alert_id: str, values: dict[str, Any]) -> bool:
    c = table.c
    open_one = (c.alert_id == alert_id) & (c.state == AlertState.WAITING)
    return tx.execute(update(table).where(open_one).values(values)).rowcount > 0


def _alert(row: Row[Any]) -> Alert:
    return Alert(**row._mapping)
