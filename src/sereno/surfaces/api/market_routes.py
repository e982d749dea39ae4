"""Routes about the market: candles."""

from __future__ import annotations

from fastapi import APIRouter

from sereno.core.timeframe import Timeframe, iso
from sereno.surfaces.api.asked import Limit, Moment, Symbol, TheDesk, moment_of, series_of
from sereno.surfaces.api.shapes import CandleShape, CandlesShape

router = APIRouter(prefix="/api/v1")


@router.get("/candles")
def candles(
    desk: TheDesk,
    symbol: Symbol,
    timeframe: Timeframe = Timeframe.H1,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 500,
) -> CandlesShape:
    """The newest `limit` closed candles with since <= open time < until, oldest first."""
    series = series_of(desk, symbol, timeframe)
    first, last = moment_of(since, "since"), moment_of(until, "until")
    if first is None:
        extent = desk.lake.extent(series)
        end = last if last is not None else (extent.last_open_ms + 1 if extent else 0)
        first = end - limit * timeframe.ms
    found = desk.lake.candles(series, first, last)
    rows = found.slice(max(0, len(found) - limit))
    return CandlesShape(
        symbol=series.instrument.symbol,
        timeframe=timeframe,
        candles=[
            CandleShape(
                open_time=iso(c.open_ms), open=c.open, high=c.high, low=c.low, close=c.close, volume=c.volume
            )
            for c in rows
        ],
    )
