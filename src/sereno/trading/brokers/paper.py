"""The broker that fills from candles: it writes intents and executions into the ledger."""

from __future__ import annotations

from typing import Protocol

from sereno.core.errors import StopTrading
from sereno.core.order import Fill, OrderStatus
from sereno.store.ledger import Tx, fills, orders
from sereno.trading.risk import ApprovedOrder


class Broker(Protocol):
    """Takes approved orders. Handing the same order over twice is the same as once."""

    def submit(self, approved: ApprovedOrder) -> None:
        """Accept an order."""
        ...

    def cancel(self, order_id: str, reason: str) -> None:
        """Withdraw an order that has not been filled."""
        ...


class PaperBroker:
    """Orders and fills of one ledger transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def submit(self, approved: ApprovedOrder) -> None:
        """Commit the intent as pending. Anything but an `ApprovedOrder` is refused."""
        if not isinstance(approved, ApprovedOrder):
            raise StopTrading("order.not_approved", remedy="orders come from trading/risk.py alone")
        orders.add(self._tx, approved.order)

    def cancel(self, order_id: str, reason: str) -> None:
        """Mark a pending order as cancelled."""
        orders.set_status(self._tx, order_id, OrderStatus.CANCELLED, reason)

    def settle(self, fill: Fill) -> None:
        """Record the execution of a submitted order."""
        if fills.add(self._tx, fill):
            orders.set_status(self._tx, fill.order_id, OrderStatus.FILLED)
