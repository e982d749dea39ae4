"""Letting old rows go, a few at a time: other writers must never wait long for the one lock that SQLite has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, case, delete, or_, select, update

from sereno.store.ledger.door import Ledger

BATCH_ROWS = 500


def drop(ledger: Ledger, table: Table[Any], old: ColumnElement[bool]) -> int:
    """Delete the rows that `old` names; how many."""
    return _in_batches(ledger, table, old, delete(table))


def overwrite(
    ledger: Ledger, table: Table[Any], old: ColumnElement[bool], values: Mapping[str, object]
) -> int:
    """Give the rows that `old` names other values, after which it must no longer name them; how many."""
    return _in_batches(ledger, table, old, update(table).values(dict(values)))


def _in_batches(ledger: Ledger, table: Table[Any], old: ColumnElement[bool], change: Delete | Update) -> int:
    """Look without the lock; then change by key, a transaction a batch, what is still old.

    A batch in which nothing changed ends it: someone else was faster, and another run comes.
    """
    still_old = case((old, 1), else_=0) == 1  # so that no plan goes by anything but the key
    some = select(*table.primary_key.columns).where(old).limit(BATCH_ROWS)
    done = 0
    while True:
        with ledger.read() as tx:
            keys = [tuple(row) for row in tx.execute(some).all()]
        if not keys:
            return done
        with ledger.begin() as tx:
            changed = tx.execute(change.where(_bears(table, keys), still_old)).rowcount
        done += changed
        if not changed:
            return done


def _bears(table: Table[Any], keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Rows with one of these primary keys; by the key's index, which SQLite does not use for tuples."""
    columns = table.primary_key.columns
    if len(columns) == 1:
        return columns[0].in_([key for (key,) in keys])
    return or_(*(and_(*(c == part for c, part in zip(columns, key, strict=True))) for key in keys))
