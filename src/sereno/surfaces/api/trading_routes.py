"""Routes about decisions and money: signals, positions, equity."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path

from sereno.core.errors import SkipThis
from sereno.core.signal import Decision
from sereno.core.timeframe import Timeframe
from sereno.signals.publish import signal_json
from sereno.store.ledger import equity as equity_rows
from sereno.store.ledger import positions as position_rows
from sereno.store.ledger import signals as signal_rows
from sereno.surfaces.api.asked import Limit, MaybeSymbol, Moment, TheDesk, moment_of, series_of
from sereno.surfaces.api.shapes import (
    EquityPointShape,
    EquityShape,
    PositionShape,
    PositionsShape,
    SignalsShape,
    plain,
)

router = APIRouter(prefix="/api/v1")


class PositionState(StrEnum):
    """Which positions are asked for."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


@router.get("/signals")
def signals(
    desk: TheDesk,
    symbol: MaybeSymbol = None,
    timeframe: Timeframe | None = None,
    decision: Decision | None = None,
    since: Moment = None,
    limit: Limit = 100,
) -> SignalsShape:
    """Signals, taken and refused, newest first."""
    known = timeframe or desk.settings.candles.timeframes[0]
    with desk.ledger.read() as tx:
        found = signal_rows.recent(
            tx,
            limit=limit,
            since=moment_of(since, "since"),
            decisions=None if decision is None else (decision,),
            mode=desk.mode,
            instrument=series_of(desk, symbol, known).instrument if symbol else None,
            timeframe=timeframe,
        )
    return SignalsShape(signals=[plain(signal_json(signal)) for signal in found])


@router.get("/signals/{signal_id}")
def one_signal(
    desk: TheDesk, signal_id: Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9_-]+$")]
) -> dict[str, object]:
    """One signal with the fields of signal.json."""
    with desk.ledger.read() as tx:
        found = signal_rows.get(tx, signal_id)
    if found is None:
        raise SkipThis("signal.unknown", remedy="see /api/v1/signals")
    return plain(signal_json(found))


@router.get("/positions")
def positions(desk: TheDesk, status: PositionState = PositionState.ALL, limit: Limit = 100) -> PositionsShape:
    """Positions, open ones first, then the newest closed ones."""
    with desk.ledger.read() as tx:
        found = []
        if status is not PositionState.CLOSED:
            found += position_rows.open(tx, desk.mode, desk.account)
        if status is not PositionState.OPEN:
            found += position_rows.recent(tx, desk.mode, desk.account, limit, closed_only=True)
    return PositionsShape(positions=[PositionShape.of(p) for p in found[:limit]])


@router.get("/equity")
def equity(desk: TheDesk, since: Moment = None, limit: Limit = 1000) -> EquityShape:
    """The equity curve, oldest first; its newest `limit` points."""
    with desk.ledger.read() as tx:
        points = equity_rows.series(tx, desk.mode, desk.account, moment_of(since, "since"), limit=limit)
    return EquityShape(account=desk.account, points=[EquityPointShape.of(point) for point in points])
