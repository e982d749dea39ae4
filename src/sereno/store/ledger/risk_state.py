"""Where an account stands with its limits. Two writers never overwrite each other unseen."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import CheckConstraint, Column, Row, Table, Text, TypedColumns, select, update

from sereno.core.errors import StopTrading, TryLater
from sereno.core.mode import Mode
from sereno.core.risk import RiskState
from sereno.store.ledger.columns import Exact, Tx, Word, metadata, one_of, whole
from sereno.store.ledger.rows import add_once


class RiskStateColumns(TypedColumns):
    """One row an account."""

    mode: Column[Mode] = Column(Word(Mode), primary_key=True)
    account = Column(Text, primary_key=True)
    day_start_ms = Column(whole, nullable=False)
    day_start_equity_quote = Column(Exact, nullable=False)
    week_start_ms = Column(whole, nullable=False)
    week_start_equity_quote = Column(Exact, nullable=False)
    losing_streak = Column(whole, nullable=False)
    paused_until_ms = Column(whole)
    pause_reason = Column(Text)
    blocked_reason = Column(Text)
    updated_ms = Column(whole, nullable=False)
    version = Column(whole, nullable=False)
    lost_ms = Column(whole)


table = Table(
    "risk_state",
    metadata,
    RiskStateColumns,
    one_of("mode", Mode),
    CheckConstraint("losing_streak >= 0", name="losing_streak_not_negative"),
    CheckConstraint("version >= 1", name="version_counts"),
    sqlite_strict=True,
)


def load(tx: Tx, mode: Mode, account: str) -> RiskState | None:
    """The state, or None when there never was one: no entry then.

    Raises StopTrading when what is stored cannot be trusted.
    """
    c = table.c
    try:
        row = tx.execute(select(table).where(c.mode == mode, c.account == account)).one_or_none()
        state = None if row is None else _state(row)
    except StopTrading as cause:
        raise _unreadable(mode, account, str(cause)) from cause
    fault = None if state is None else _fault(state)
    if fault:
        raise _unreadable(mode, account, fault)
    return state


def save(tx: Tx, state: RiskState, expected_version: int) -> RiskState:
    """Write the state if the stored version is still `expected_version` (0: there is none yet).

    returns  the state as stored, its version one higher

    Raises TryLater("risk_state.stale") when another writer came first: load again and decide again.
    """
    fresh = replace(state, version=expected_version + 1)
    values = asdict(fresh)
    c = table.c
    if expected_version == 0:
        written = add_once(tx, table, values)
    else:
        same = (c.mode == state.mode) & (c.account == state.account) & (c.version == expected_version)
        written = tx.execute(update(table).where(same).values(values)).rowcount == 1
    if not written:
        raise TryLater(
            "risk_state.stale",
            remedy="another writer came first: load it again and decide again",
            mode=state.mode.value,
            account=state.account,
            expected_version=expected_version,
        )
    return fresh


def _state(row: Row[Any]) -> RiskState:
    return RiskState(**row._mapping)


def _fault(state: RiskState) -> str | None:
    whole_numbers = (
        state.day_start_ms,
        state.week_start_ms,
        state.losing_streak,
        state.updated_ms,
        state.version,
    )
    if not all(isinstance(number, int) for number in whole_numbers):
        return "a whole number is not one"
    if state.losing_streak < 0 or state.version < 1:
        return "a count is below its least value"
    if state.week_start_ms > state.day_start_ms:
        return "its week begins after its day"
    return None


def _unreadable(mode: Mode, account: str, fault: str) -> StopTrading:
    return StopTrading(
        "risk_state.unreadable",
        remedy="no entries until a person has looked: restore the ledger from a backup",
        mode=mode.value,
        account=account,
        fault=fault,
    )
