"""What is traded, and the grid of its venue as it was last seen."""

from __future__ import annotations

from sqlalchemy import Column, Table, TypedColumns, select

from sereno.core.instrument import Instrument, InstrumentRules
from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Exact, Thing, Tx, above_zero, metadata, whole
from sereno.store.ledger.rows import put


class InstrumentColumns(TypedColumns):
    """One row an instrument."""

    instrument = Column(Thing, primary_key=True)
    price_tick = Column(Exact, nullable=False)
    quantity_step = Column(Exact, nullable=False)
    min_quantity = Column(Exact, nullable=False)
    min_notional_quote = Column(Exact, nullable=False)
    updated_ms = Column(whole, nullable=False)


table = Table(
    "instruments",
    metadata,
    InstrumentColumns,
    above_zero("price_tick"),
    above_zero("quantity_step"),
    sqlite_strict=True,
)


def save(tx: Tx, instrument: Instrument, rules: InstrumentRules, now: UtcMs) -> None:
    """Keep the venue's grid; the newest one counts."""
    put(
        tx,
        table,
        {
            "instrument": instrument,
            "price_tick": rules.price_tick,
            "quantity_step": rules.quantity_step,
            "min_quantity": rules.min_quantity,
            "min_notional_quote": rules.min_notional_quote,
            "updated_ms": now,
        },
    )


def rules(tx: Tx, instrument: Instrument) -> InstrumentRules | None:
    """The grid, or None when the venue was never asked."""
    return all(tx).get(instrument)


def all(tx: Tx) -> dict[Instrument, InstrumentRules]:
    """Every instrument that is known, by key."""
    c = table.c
    found = tx.execute(select(table).order_by(c.instrument)).all()
    return {
        row.instrument: InstrumentRules(
            price_tick=row.price_tick,
            quantity_step=row.quantity_step,
            min_quantity=row.min_quantity,
            min_notional_quote=row.min_notional_quote,
        )
        for row in found
    }
