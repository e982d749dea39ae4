"""Who changed what, and when. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Index, Table, Text, TypedColumns, insert, select

from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Json, Tx, metadata, whole


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `actor` is a person, a token's name or a job."""

    audit_id: int
    ts: UtcMs
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]


class AuditColumns(TypedColumns):
    """One row a change."""

    audit_id = Column(whole, primary_key=True, autoincrement=True)
    ts = Column(whole, nullable=False)
    actor = Column(Text, nullable=False)
    action = Column(Text, nullable=False)
    subject = Column(Text, nullable=False)
    detail = Column(Json, nullable=False)


table = Table("audit", metadata, AuditColumns, Index("audit_by_ts", "ts"), sqlite_strict=True)


def append(
    tx: Tx, now: UtcMs, actor: str, action: str, subject: str, detail: Mapping[str, object] | None = None
) -> None:
    """Add one change."""
    tx.execute(
        insert(table).values(ts=now, actor=actor, action=action, subject=subject, detail=dict(detail or {}))
    )


def first(tx: Tx, action: str) -> AuditEntry | None:
    """The oldest change of a kind."""
    wanted = select(table).where(table.c.action == action).order_by(table.c.audit_id).limit(1)
    row = tx.execute(wanted).one_or_none()
    return None if row is None else AuditEntry(**row._mapping)


def recent(tx: Tx, limit: int = 50, *, action: str | None = None) -> list[AuditEntry]:
    """The newest first."""
    wanted = select(table).order_by(table.c.audit_id.desc()).limit(limit)
    wanted = wanted if action is None else wanted.where(table.c.action == action)
    return [AuditEntry(**row._mapping) for row in tx.execute(wanted).all()]
