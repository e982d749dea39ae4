"""The writes that differ between databases, said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table

from sereno.store.ledger.columns import Tx


def add_once(tx: Tx, table: Table[Any], values: Mapping[str, Any]) -> bool:
    """Insert unless the primary key is taken; whether it was inserted. Other conflicts raise."""
    added = _insert(tx, table, values).on_conflict_do_nothing(index_elements=_key(table))
    return tx.execute(added.returning(*table.primary_key.columns)).first() is not None


def put(tx: Tx, table: Table[Any], values: Mapping[str, Any]) -> None:
    """Insert, or overwrite the row with this primary key."""
    key = _key(table)
    rest = {name: value for name, value in values.items() if name not in key}
    tx.execute(_insert(tx, table, values).on_conflict_do_update(index_elements=key, set_=rest))


def add_up(tx: Tx, table: Table[Any], values: Mapping[str, Any], column: str) -> None:
    """Insert, or add the value of `column` to that of the row with this primary key."""
    new = _insert(tx, table, values)
    summed = {column: table.c[column] + new.excluded[column]}
    tx.execute(new.on_conflict_do_update(index_elements=_key(table), set_=summed))


def _key(table: Table[Any]) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _insert(tx: Tx, table: Table[Any], values: Mapping[str, Any]) -> Any:
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        return pg_insert(table).values(values).inline()
    from sqlalchemy.dialects.sqlite import insert

    return insert(table).values(values).inline()
