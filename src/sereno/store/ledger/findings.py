"""What the watch noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sqlalchemy import Column, ColumnElement, Index, Table, Text, TypedColumns, select

from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Json, Tx, metadata, whole
from sereno.store.ledger.rows import add_once


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation of one check. `severity` is the watch room's word for it."""

    finding_id: str
    ts: UtcMs
    check: str
    severity: str
    subject: str
    message: str
    detail: Mapping[str, object] = field(default_factory=dict)


class FindingColumns(TypedColumns):
    """One row a finding. `check` is a reserved word in SQL, hence `check_name`."""

    finding_id = Column(Text, primary_key=True)
    ts = Column(whole, nullable=False)
    check_name = Column(Text, nullable=False)
    severity = Column(Text, nullable=False)
    subject = Column(Text, nullable=False)
    message = Column(Text, nullable=False)
    detail = Column(Json, nullable=False)


table = Table("findings", metadata, FindingColumns, Index("findings_by_ts", "ts"), sqlite_strict=True)


def add(tx: Tx, finding: Finding) -> bool:
    """Keep a finding; False when its id is there already."""
    values = asdict(finding)
    values["check_name"] = values.pop("check")
    return add_once(tx, table, values)


def recent(
    tx: Tx, limit: int = 50, *, since: UtcMs | None = None, severity: str | None = None
) -> list[Finding]:
    """The newest first."""
    c = table.c
    wanted = select(table).order_by(c.ts.desc(), c.finding_id.desc()).limit(limit)
    wanted = wanted if since is None else wanted.where(c.ts >= since)
    wanted = wanted if severity is None else wanted.where(c.severity == severity)
    return [
        Finding(r.finding_id, r.ts, r.check_name, r.severity, r.subject, r.message, r.detail)
        for r in tx.execute(wanted).all()
    ]


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Findings older than a moment."""
    return table.c.ts < before_ms
