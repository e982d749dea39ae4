"""Intents. One is committed before anything is sent; its status only moves from pending to one end."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Row, Table, Text, TypedColumns, select, update

from sereno.core.errors import StopTrading
from sereno.core.mode import Mode
from sereno.core.order import Order, OrderPurpose, OrderStatus, Side, Terms
from sereno.store.ledger.columns import Exact, Thing, Tx, Word, above_zero, metadata, one_of, whole
from sereno.store.ledger.rows import add_once


class OrderColumns(TypedColumns):
    """One row an order. `position_id` may name a position that its fill will open."""

    order_id = Column(Text, primary_key=True)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    account = Column(Text, nullable=False)
    instrument = Column(Thing, nullable=False)
    purpose: Column[OrderPurpose] = Column(Word(OrderPurpose), nullable=False)
    side: Column[Side] = Column(Word(Side), nullable=False)
    quantity_base = Column(Exact, nullable=False)
    status: Column[OrderStatus] = Column(Word(OrderStatus), nullable=False)
    created_ms = Column(whole, nullable=False)
    signal_id = Column(Text, ForeignKey("signals.signal_id", name="orders_signal"))
    position_id = Column(Text)
    reason = Column(Text, nullable=False)
    horizon_bars = Column(whole)
    trail_quote = Column(Exact)


table = Table(
    "orders",
    metadata,
    OrderColumns,
    one_of("mode", Mode),
    one_of("purpose", OrderPurpose),
    one_of("side", Side),
    one_of("status", OrderStatus),
    above_zero("quantity_base"),
    Index("orders_by_account", "mode", "account", "created_ms"),
    Index("orders_by_signal", "signal_id"),
    Index("orders_by_position", "position_id"),
    sqlite_strict=True,
)

_OWN = tuple(name for name in Order.__slots__ if name != "terms")


def add(tx: Tx, order: Order) -> bool:
    """Commit an intent; False when the same one is there already, whatever became of it.

    Raises StopTrading when its id stands for another intent.
    """
    if add_once(tx, table, _values(order)):
        return True
    known = get(tx, order.order_id)
    if known is None or _intent(known) != _intent(order):
        raise StopTrading(
            "order.differs", remedy="one id stands for two intents", order_id=order.order_id, known=known
        )
    return False


def set_status(tx: Tx, order_id: str, status: OrderStatus, reason: str = "") -> bool:
    """Move a pending order to its end; False when it is there already.

    Raises StopTrading when the order is unknown or came to another end.
    """
    c = table.c
    ending: dict[str, Any] = {"status": status} | ({"reason": reason} if reason else {})
    pending = (c.order_id == order_id) & (c.status == OrderStatus.PENDING)
    moved = tx.execute(update(table).where(pending).values(ending)).rowcount
    if moved:
        return status is not OrderStatus.PENDING
    known = get(tx, order_id)
    if known is None:
        raise StopTrading("order.unknown", order_id=order_id, wanted=status.value)
    if known.status is not status:
        raise StopTrading(
            "order.status_is_final", order_id=order_id, status=known.status.value, wanted=status.value
        )
    return False


def get(tx: Tx, order_id: str) -> Order | None:
    """One order by id."""
    row = tx.execute(select(table).where(table.c.order_id == order_id)).one_or_none()
    return None if row is None else _order(row)


def recent(
    tx: Tx,
    mode: Mode | None = None,
    account: str | None = None,
    limit: int = 50,
    *,
    status: OrderStatus | None = None,
) -> list[Order]:
    """The newest first."""
    c = table.c
    wanted = select(table).order_by(c.created_ms.desc(), c.order_id.desc()).limit(limit)
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    wanted = wanted if account is None else wanted.where(c.account == account)
    wanted = wanted if status is None else wanted.where(c.status == status)
    return [_order(row) for row in tx.execute(wanted).all()]


def terms_values(terms: Terms | None) -> dict[str, int | Decimal | None]:
    """Terms as the two columns of a row; both empty where there are none."""
    if terms is None:
        return {"horizon_bars": None, "trail_quote": None}
    return {"horizon_bars": terms.horizon_bars, "trail_quote": terms.trail_quote}


def terms_of(row: Row[Any]) -> Terms | None:
    """The terms in a row."""
    return None if row.horizon_bars is None else Terms(row.horizon_bars, row.trail_quote)


def _intent(order: Order) -> Order:
    return replace(order, status=OrderStatus.PENDING, reason="")


def _values(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in _OWN} | terms_values(order.terms)


def _order(row: Row[Any]) -> Order:
    return Order(**{name: getattr(row, name) for name in _OWN}, terms=terms_of(row))
