"""What an account was worth, moment by moment."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Table, Text, TypedColumns, exists, func, select

from sereno.core.mode import Mode
from sereno.core.order import EquityPoint
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.store.ledger.columns import Exact, Tx, Word, metadata, one_of, whole
from sereno.store.ledger.rows import put


class EquityColumns(TypedColumns):
    """One row an account and moment."""

    mode: Column[Mode] = Column(Word(Mode), primary_key=True)
    account = Column(Text, primary_key=True)
    ts = Column(whole, primary_key=True, autoincrement=False)
    balance_quote = Column(Exact, nullable=False)
    unrealised_quote = Column(Exact, nullable=False)


table = Table("equity", metadata, EquityColumns, one_of("mode", Mode), sqlite_strict=True)


def add(tx: Tx, point: EquityPoint) -> None:
    """Keep a point; a second one of the same moment takes its place."""
    put(tx, table, asdict(point))


def series(
    tx: Tx,
    mode: Mode,
    account: str,
    since: UtcMs | None = None,
    until: UtcMs | None = None,
    *,
    limit: int | None = None,
) -> list[EquityPoint]:
    """Points with since <= ts < until, oldest first, the newest `limit` of them."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).order_by(c.ts.desc()).limit(limit)
    wanted = wanted if since is None else wanted.where(c.ts >= since)
    wanted = wanted if until is None else wanted.where(c.ts < until)
    return [_point(row) for row in reversed(tx.execute(wanted).all())]


def sampled(tx: Tx, mode: Mode, account: str, points: int = 1000) -> list[EquityPoint]:
    """The whole curve in at most `points` evenly spread ones, oldest first; the newest is among them.

    points  >= 1
    """
    c = table.c
    mine = (c.mode == mode, c.account == account)
    rows = tx.execute(select(func.count()).select_from(table).where(*mine)).scalar_one()
    every = max(1, -(-rows // points))
    age = func.row_number().over(order_by=c.ts.desc()) - 1
    aged = select(table, age.label("age")).where(*mine).subquery()
    wanted = select(*(aged.c[column.name] for column in c)).where(aged.c.age % every == 0)
    return [_point(row) for row in tx.execute(wanted.order_by(aged.c.ts)).all()]


def first(tx: Tx, mode: Mode, account: str) -> EquityPoint | None:
    """The oldest point: what the account was opened with."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).order_by(c.ts).limit(1)
    row = tx.execute(wanted).one_or_none()
    return None if row is None else _point(row)


def latest(tx: Tx, mode: Mode, account: str) -> EquityPoint | None:
    """The newest point."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).order_by(c.ts.desc()).limit(1)
    row = tx.execute(wanted).one_or_none()
    return None if row is None else _point(row)


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Points before a moment, save the last of each UTC day and the first of all, from which results count."""
    c, later, first = table.c, table.alias("later"), table.alias("first")
    of_day = exists().where(
        later.c.mode == c.mode,
        later.c.account == c.account,
        later.c.ts > c.ts,
        later.c.ts < (c.ts // DAY_MS + 1) * DAY_MS,
    )
    not_first = exists().where(first.c.mode == c.mode, first.c.account == c.account, first.c.ts < c.ts)
    return (c.ts < before_ms) & of_day & not_first


def _point(row: Row[Any]) -> EquityPoint:
    return EquityPoint(**row._mapping)
