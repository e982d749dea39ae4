"""Counts that outlive the rows they were counted from: they only ever rise, as a Prometheus counter must."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Column, Table, Text, TypedColumns, select

from sereno.store.ledger.columns import Json, Tx, metadata, whole
from sereno.store.ledger.rows import add_up


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted under a name and a set of labels."""

    name: str
    labels: Mapping[str, str]
    value: int


class CounterColumns(TypedColumns):
    """One row a name and set of labels; the labels are JSON in its one spelling."""

    name = Column(Text, primary_key=True)
    labels = Column(Json, primary_key=True)
    value = Column(whole, nullable=False)


table = Table(
    "counters",
    metadata,
    CounterColumns,
    CheckConstraint("value >= 0", name="value_not_negative"),
    sqlite_strict=True,
)


def add(tx: Tx, name: str, labels: Mapping[str, str], by: int = 1) -> None:
    """Count `by` more, in the transaction of what is counted."""
    if by < 0:
        raise ValueError(f"a counter never falls: {name} by {by}")
    add_up(tx, table, {"name": name, "labels": dict(labels), "value": by}, "value")


def all(tx: Tx, name: str | None = None) -> list[Count]:
    """Every count, or those of one name, in the order of names and labels."""
    c = table.c
    wanted = select(table).order_by(c.name, c.labels)
    rows = tx.execute(wanted if name is None else wanted.where(c.name == name)).all()
    return [Count(row.name, row.labels, row.value) for row in rows]


def total(tx: Tx, name: str, **labels: str) -> int:
    """The sum of a name's counts that bear these labels, whatever else they bear; 0 when there is none."""
    return sum(one.value for one in all(tx, name) if labels.items() <= one.labels.items())
