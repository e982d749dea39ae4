"""Which model versions stored signals rest on: as long as a signal is kept, it can be explained and replayed."""

from __future__ import annotations

from sqlalchemy import select

from sereno.store.ledger import signals
from sereno.store.ledger.columns import Tx


def named_by_signals(tx: Tx) -> frozenset[str]:
    """Versions that any kept signal names, of all roles; pruning the registry spares them."""
    told = tx.execute(select(signals.table.c.model_version).distinct()).scalars()
    return frozenset(entry.partition("=")[2] for each in told for entry in each.split(","))
