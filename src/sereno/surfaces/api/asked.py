"""Parameters that several routes share, and how they are read."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Query, Request

from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs, from_iso
from sereno.ops.app import Desk

MOST_ROWS = 5000


def desk_of(request: Request) -> Desk:
    """The desk behind the application."""
    return cast("Desk", request.app.state.desk)


TheDesk = Annotated[Desk, Depends(desk_of)]
Symbol = Annotated[
    str, Query(description="pair, for example BTC/USDT", max_length=40, pattern=r"^[A-Za-z0-9/:]+$")
]
MaybeSymbol = Annotated[
    str | None, Query(description="only this pair", max_length=40, pattern=r"^[A-Za-z0-9/:]+$")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="most rows")]
Moment = Annotated[
    str | None,
    Query(
        description="ISO 8601 moment or day, UTC",
        max_length=40,
        pattern=r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?$",
    ),
]


def moment_of(text: str | None, name: str) -> UtcMs | None:
    """Milliseconds of a parameter. Raises SkipThis if the calendar has no such moment."""
    if text is None:
        return None
    try:
        return from_iso(text)
    except (ValueError, OverflowError) as cause:
        raise SkipThis("request.no_such_moment", remedy=f"{name}: {text} is not in the calendar") from cause


def series_of(desk: Desk, symbol: str, timeframe: Timeframe) -> Series:
    """A collected series. Raises SkipThis if the desk has no such one."""
    wanted = symbol.upper().partition(":")[0]
    for instrument in desk.instruments:
        if instrument.symbol == wanted and timeframe in desk.settings.candles.collected():
            return Series(instrument, timeframe)
    raise SkipThis("series.unknown", remedy="see venue.instruments and candles.timeframes of the settings")
