"""Round trips. What was true at entry never changes; a closed position does not change at all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Row,
    Select,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    func,
    select,
    update,
)

from sereno.core.errors import StopTrading
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.order import ExitReason, Position, Side
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.ledger.columns import Exact, Thing, Tx, Word, above_zero, metadata, one_of, whole
from sereno.store.ledger.forecasts import series_values
from sereno.store.ledger.orders import terms_of, terms_values
from sereno.store.ledger.rows import add_once


class PositionColumns(TypedColumns):
    """One row a round trip."""

    position_id = Column(Text, primary_key=True)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    account = Column(Text, nullable=False)
    instrument = Column(Thing, nullable=False)
    timeframe: Column[Timeframe] = Column(Word(Timeframe), nullable=False)
    side: Column[Side] = Column(Word(Side), nullable=False)
    quantity_base = Column(Exact, nullable=False)
    entry_ms = Column(whole, nullable=False)
    entry_price = Column(Exact, nullable=False)
    initial_stop = Column(Exact, nullable=False)
    stop = Column(Exact, nullable=False)
    target = Column(Exact, nullable=False)
    bars_held = Column(whole, nullable=False)
    best_price = Column(Exact, nullable=False)
    checked_ms = Column(whole, nullable=False)
    signal_id = Column(Text, ForeignKey("signals.signal_id", name="positions_signal"), nullable=False)
    fees_quote = Column(Exact, nullable=False)
    exit_ms = Column(whole)
    exit_price = Column(Exact)
    exit_reason: Column[ExitReason | None] = Column(Word(ExitReason))
    pnl_quote = Column(Exact)
    horizon_bars = Column(whole)
    trail_quote = Column(Exact)
    candles_digest = Column(Text)


table = Table(
    "positions",
    metadata,
    PositionColumns,
    one_of("mode", Mode),
    one_of("timeframe", Timeframe),
    one_of("side", Side),
    one_of("exit_reason", ExitReason),
    above_zero("quantity_base"),
    above_zero("entry_price"),
    CheckConstraint("bars_held >= 0", name="bars_held_not_negative"),
    CheckConstraint(
        "(exit_ms IS NULL) = (exit_price IS NULL) AND (exit_ms IS NULL) = (exit_reason IS NULL) "
        "AND (exit_ms IS NULL) = (pnl_quote IS NULL)",
        name="exit_is_whole",
    ),
    UniqueConstraint("mode", "account", "signal_id", name="one_position_a_signal"),
    Index("positions_by_account", "mode", "account", "entry_ms"),
    Index("positions_by_exit", "mode", "account", "exit_ms"),
    Index("positions_by_signal", "signal_id"),
    sqlite_strict=True,
)

_OWN = tuple(name for name in Position.__slots__ if name not in {"series", "terms"})
_FIXED = ("mode", "account", "series", "side", "entry_ms", "entry_price", "initial_stop", "signal_id")


def save(tx: Tx, position: Position) -> None:
    """Insert, or update one that is open; saving the same closed one again changes nothing.

    Raises StopTrading when a closed position, or what an entry fixed, would change.
    """
    values = _values(position)
    if add_once(tx, table, values):
        return
    c = table.c
    row = tx.execute(select(table).where(c.position_id == position.position_id).with_for_update()).one()
    known = _position(row)
    if known == position:
        return
    if not known.is_open:
        raise StopTrading("position.closed", remedy="it is final", position_id=position.position_id)
    changed = [name for name in _FIXED if getattr(known, name) != getattr(position, name)]
    if known.terms is not None and known.terms != position.terms:
        changed.append("terms")
    if changed:
        raise StopTrading(
            "position.entry_changed", position_id=position.position_id, fields=", ".join(changed)
        )
    tx.execute(update(table).where(c.position_id == position.position_id).values(values))


def open(tx: Tx, mode: Mode, account: str) -> list[Position]:
    """Positions that carry risk, oldest first."""
    c = table.c
    here = (c.mode == mode) & (c.account == account) & c.exit_ms.is_(None)
    return _positions(tx, select(table).where(here).order_by(c.entry_ms, c.position_id))


def recent(tx: Tx, mode: Mode, account: str, limit: int = 50, closed_only: bool = False) -> list[Position]:
    """The newest first: by entry, or by exit when only closed ones are wanted.

    Exits of one moment come in the order in which the engine makes them, by series, the last first.
    """
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).limit(limit)
    if not closed_only:
        return _positions(tx, wanted.order_by(c.entry_ms.desc(), c.position_id.desc()))
    closed = wanted.where(c.exit_ms.is_not(None))
    found = _positions(tx, closed.order_by(c.exit_ms.desc(), c.position_id.desc()))
    return sorted(found, key=lambda one: (one.exit_ms or 0, one.series), reverse=True)


def series(tx: Tx, mode: Mode, account: str) -> list[Series]:
    """Every series that ever had one."""
    c = table.c
    wanted = select(c.instrument, c.timeframe).where(c.mode == mode, c.account == account).distinct()
    return sorted(Series(row.instrument, row.timeframe) for row in tx.execute(wanted).all())


def of_series(tx: Tx, mode: Mode, account: str, one: Series) -> list[Position]:
    """All of one series, by entry, oldest first."""
    c = table.c
    there = (c.instrument == one.instrument) & (c.timeframe == one.timeframe)
    wanted = select(table).where(c.mode == mode, c.account == account, there)
    return _positions(tx, wanted.order_by(c.entry_ms, c.position_id))


def first(tx: Tx, mode: Mode, account: str) -> Position | None:
    """The oldest one of all."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).order_by(c.entry_ms, c.position_id)
    return next(iter(_positions(tx, wanted.limit(1))), None)


def page(
    tx: Tx,
    mode: Mode,
    account: str,
    *,
    is_open: bool | None,
    since: UtcMs | None,
    until: UtcMs | None,
    limit: int,
    offset: int,
) -> list[Position]:
    """Newest entry first with since <= entry < until, the first `offset` left out; `is_open` None: all."""
    c = table.c
    wanted = select(table).where(c.mode == mode, c.account == account).limit(limit).offset(offset)
    wanted = wanted if since is None else wanted.where(c.entry_ms >= since)
    wanted = wanted if until is None else wanted.where(c.entry_ms < until)
    wanted = wanted if is_open is None else wanted.where(c.exit_ms.is_(None) == is_open)
    return _positions(tx, wanted.order_by(c.entry_ms.desc(), c.position_id.desc()))


def closed(tx: Tx, mode: Mode, account: str) -> int:
    """How many round trips are over."""
    c = table.c
    over = (c.mode == mode) & (c.account == account) & c.exit_ms.is_not(None)
    return int(tx.execute(select(func.count()).select_from(table).where(over)).scalar_one())


def get(tx: Tx, position_id: str) -> Position | None:
    """One position by id."""
    found = _positions(tx, select(table).where(table.c.position_id == position_id))
    return found[0] if found else None


def get_locked(tx: Tx, position_id: str) -> Position | None:
    """One position by id, which no other transaction changes before this one ends."""
    found = _positions(tx, select(table).where(table.c.position_id == position_id).with_for_update())
    return found[0] if found else None


def _values(position: Position) -> dict[str, Any]:
    own = {name: getattr(position, name) for name in _OWN}
    return own | series_values(position.series) | terms_values(position.terms)


def _positions(tx: Tx, wanted: Select[Any]) -> list[Position]:
    return [_position(row) for row in tx.execute(wanted).all()]


def _position(row: Row[Any]) -> Position:
    own = {name: getattr(row, name) for name in _OWN}
    return Position(**own, series=Series(row.instrument, row.timeframe), terms=terms_of(row))
