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
from sereno.surfaces.api.asked import Limit, MaybeSymbol, Moment, Offset, TheDesk, moment_of, series_of
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
    until: Moment = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> SignalsShape:
    """Signals, taken and refused, with since <= close of the candle < until, newest first.

    `limit` and `offset` page through them; a fixed `until` keeps new signals from moving the pages.
    """
    known = timeframe or desk.settings.candles.timeframes[0]
    with desk.ledger.read() as tx:
        found = signal_rows.recent(
            tx,
            limit=limit,
            since=moment_of(since),
            until=moment_of(until),
            offset=offset,
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
def positions(
    desk: TheDesk,
    status: PositionState = PositionState.ALL,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> PositionsShape:
    """Positions with since <= entry < until, newest entry first; `limit` and `offset` page through them."""
    with desk.ledger.read() as tx:
        found = position_rows.page(
            tx,
            desk.mode,
            desk.account,
            is_open=None if status is PositionState.ALL else status is PositionState.OPEN,
            since=moment_of(since),
            until=moment_of(until),
            limit=limit,
            offset=offset,
        )
    return PositionsShape(positions=[PositionShape.of(p) for p in found])


@router.get("/equity")
def equity(desk: TheDesk, since: Moment = None, until: Moment = None, limit: Limit = 1000) -> EquityShape:
    """The newest `limit` points of the equity curve with since <= time < until, oldest first.

    The page before it is asked for with the oldest time as `until`; an empty one is the end.
    """
    first, last = moment_of(since), moment_of(until)
    with desk.ledger.read() as tx:
        points = equity_rows.series(tx, desk.mode, desk.account, first, last, limit=limit)
    return EquityShape(account=desk.account, points=[EquityPointShape.of(point) for point in points])
