"""Routes about the market: candles."""

from __future__ import annotations

from fastapi import APIRouter

from sereno.core.candle import Candles
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.ops.app import Desk
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
    """The newest `limit` closed candles with since <= open time < until, oldest first.

    The page before it is asked for with the oldest open time as `until`; an empty one is the end.
    """
    series = series_of(desk, symbol, timeframe)
    rows = _newest(desk, series, moment_of(since), moment_of(until), limit)
    rows = rows.slice(max(0, len(rows) - limit))
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


def _newest(desk: Desk, series: Series, since: UtcMs | None, until: UtcMs | None, limit: int) -> Candles:
    """At least the newest `limit` candles of a range, as far as it has so many: a gap may be longer than a page."""
    extent = desk.lake.extent(series)
    if extent is None:
        return Candles.of(series.timeframe, ())
    end = extent.last_open_ms + 1 if until is None else min(until, extent.last_open_ms + 1)
    first = extent.first_open_ms if since is None else max(since, extent.first_open_ms)
    span = limit * series.timeframe.ms
    while True:
        found = desk.lake.candles(series, max(first, end - span), end)
        if len(found) >= limit or end - span <= first:
            return found
        span *= 4
