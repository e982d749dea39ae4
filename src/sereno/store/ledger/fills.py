"""Executions of our own orders: the only source of positions and results. Rows are only ever added."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Row, Table, Text, TypedColumns, select

from sereno.core.errors import StopTrading
from sereno.core.mode import Mode
from sereno.core.order import Fill, OrderPurpose, Side
from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Exact, Thing, Tx, Word, above_zero, metadata, one_of, whole
from sereno.store.ledger.rows import add_once


class FillColumns(TypedColumns):
    """One row an execution."""

    fill_id = Column(Text, primary_key=True)
    order_id = Column(Text, ForeignKey("orders.order_id", name="fills_order"), nullable=False)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    account = Column(Text, nullable=False)
    instrument = Column(Thing, nullable=False)
    side: Column[Side] = Column(Word(Side), nullable=False)
    purpose: Column[OrderPurpose] = Column(Word(OrderPurpose), nullable=False)
    price = Column(Exact, nullable=False)
    quantity_base = Column(Exact, nullable=False)
    fee_quote = Column(Exact, nullable=False)
    ts = Column(whole, nullable=False)


table = Table(
    "fills",
    metadata,
    FillColumns,
    one_of("mode", Mode),
    one_of("side", Side),
    one_of("purpose", OrderPurpose),
    above_zero("price"),
    above_zero("quantity_base"),
    CheckConstraint("CAST(fee_quote AS DOUBLE PRECISION) >= 0", name="fee_quote_not_negative"),
    Index("fills_by_order", "order_id"),
    Index("fills_by_account", "mode", "account", "ts"),
    sqlite_strict=True,
)


def add(tx: Tx, fill: Fill) -> bool:
    """Keep an execution; False when the same one is there already.

    Raises StopTrading when its id stands for another execution, or its order is unknown.
    """
    if add_once(tx, table, {name: getattr(fill, name) for name in Fill.__slots__}):
        return True
    known = get(tx, fill.fill_id)
    if known != fill:
        raise StopTrading(
            "fill.differs", remedy="one id stands for two executions", fill_id=fill.fill_id, known=known
        )
    return False


def get(tx: Tx, fill_id: str) -> Fill | None:
    """One execution by id."""
    row = tx.execute(select(table).where(table.c.fill_id == fill_id)).one_or_none()
    return None if row is None else _fill(row)


def recent(
    tx: Tx,
    mode: Mode | None = None,
    account: str | None = None,
    limit: int = 50,
    *,
    since: UtcMs | None = None,
) -> list[Fill]:
    """The newest first; `since` is inclusive."""
    c = table.c
    wanted = select(table).order_by(c.ts.desc(), c.fill_id.desc()).limit(limit)
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    wanted = wanted if account is None else wanted.where(c.account == account)
    wanted = wanted if since is None else wanted.where(c.ts >= since)
    return [_fill(row) for row in tx.execute(wanted).all()]


def _fill(row: Row[Any]) -> Fill:
    return Fill(**row._mapping)
