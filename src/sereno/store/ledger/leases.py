"""Leases: the right to run a job, held by one process at a time, across processes and hosts.

A row stays when a lease is given back, so that on PostgreSQL there is always something to lock.
Moments are wall time: a lease must expire although a simulated clock stands still.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Column, Table, Text, TypedColumns, select, update

from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Tx, metadata, whole
from sereno.store.ledger.rows import add_once


class LeaseColumns(TypedColumns):
    """One row a name; no holder means free."""

    name = Column(Text, primary_key=True)
    holder = Column(Text)
    acquired_ms = Column(whole, nullable=False)
    expires_ms = Column(whole, nullable=False)


table = Table("leases", metadata, LeaseColumns, sqlite_strict=True)


def acquire(
    tx: Tx,
    name: str,
    holder: str,
    now_wall_ms: UtcMs,
    ttl_ms: int,
    is_dead: Callable[[str], bool] | None = None,
) -> bool:
    """Whether the lease is `holder`'s now, for `ttl_ms`.

    It is given when it is free, expired, already theirs, or when `is_dead` is certain that its
    holder is gone.
    """
    term = {"holder": holder, "acquired_ms": now_wall_ms, "expires_ms": now_wall_ms + ttl_ms}
    if add_once(tx, table, {"name": name, **term}):
        return True
    c = table.c
    row = tx.execute(select(table).where(c.name == name).with_for_update()).one()
    free = row.holder is None or row.holder == holder or row.expires_ms <= now_wall_ms
    if not free and not (is_dead is not None and is_dead(row.holder)):
        return False
    tx.execute(update(table).where(c.name == name).values(term))
    return True


def renew(tx: Tx, name: str, holder: str, now_wall_ms: UtcMs, ttl_ms: int) -> bool:
    """Whether the lease is still `holder`'s, now for another `ttl_ms`.

    One that expired but that nobody took is theirs again.
    """
    c = table.c
    theirs = (c.name == name) & (c.holder == holder)
    return tx.execute(update(table).where(theirs).values(expires_ms=now_wall_ms + ttl_ms)).rowcount > 0


def release(tx: Tx, name: str, holder: str) -> None:
    """Free the lease if it is still `holder`'s."""
    c = table.c
    theirs = (c.name == name) & (c.holder == holder)
    tx.execute(update(table).where(theirs).values(holder=None, expires_ms=0))


def holder(tx: Tx, name: str) -> str | None:
    """Who holds the lease, expired or not; None when it is free."""
    found: str | None = tx.execute(select(table.c.holder).where(table.c.name == name)).scalar_one_or_none()
    return found


def held(tx: Tx, now_wall_ms: UtcMs) -> dict[str, str]:
    """Name → holder of every lease that has not expired."""
    c = table.c
    found = tx.execute(select(c.name, c.holder).where(c.holder.is_not(None), c.expires_ms > now_wall_ms))
    return {str(row.name): str(row.holder) for row in found}


def holds_any(tx: Tx, holder: str, now_wall_ms: UtcMs) -> bool:
    """Whether a holder has any lease that has not expired: one on another host that has none is gone."""
    c = table.c
    theirs = (c.holder == holder) & (c.expires_ms > now_wall_ms)
    return tx.execute(select(c.name).where(theirs).limit(1)).first() is not None
