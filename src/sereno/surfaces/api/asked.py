"""Parameters that several routes share, and how they are read."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, WithJsonSchema

from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs, from_iso
from sereno.ops.app import Desk

MOST_ROWS = 5000
MOST_OFFSET = 10_000_000


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
Offset = Annotated[int, Query(ge=0, le=MOST_OFFSET, description="rows to leave out, newest first")]
_YEAR = r"(19[7-9]\d|20\d\d)"
_LEAP_YEAR = r"(19(72|76|8[048]|9[26])|20([02468][048]|[13579][26]))"
_DAY = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
    rf"|{_LEAP_YEAR}-02-29)"
)
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
MOMENT = rf"^{_DAY}([T ]{_CLOCK}(:[0-5]\d(\.\d{{1,6}})?)?(Z|[+-]{_CLOCK})?)?$"
"""Exact, so that the promise of the OpenAPI page is: what it lets through is in the calendar."""


def _in_the_calendar(text: str) -> str:
    if re.fullmatch(MOMENT, text):
        return text
    raise ValueError(f"{text} is not in the calendar; write 2024-06-01 or 2024-06-01T12:00:00Z, 1970 to 2099")


Moment = Annotated[
    Annotated[
        str,
        AfterValidator(_in_the_calendar),
        WithJsonSchema({"type": "string", "maxLength": 40, "pattern": MOMENT}),
    ]
    | None,
    Query(description="ISO 8601 moment or day, UTC"),
]


def moment_of(text: str | None) -> UtcMs | None:
    """Milliseconds of a `Moment`."""
    return None if text is None else from_iso(text)


def refuse_unknown(request: Request) -> None:
    """A parameter that nobody reads is refused: an answer that ignores it would look like its answer."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = {field.alias for field in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            told = f"not known here; known: {', '.join(sorted(known)) or 'none'}"
            raise RequestValidationError([{"loc": ("query", name), "msg": told, "type": "unknown"}])


def series_of(desk: Desk, symbol: str, timeframe: Timeframe) -> Series:
    """A collected series. Raises SkipThis if the desk has no such one."""
    wanted = symbol.upper().partition(":")[0]
    for instrument in desk.instruments:
        if instrument.symbol == wanted and timeframe in desk.settings.candles.collected():
            return Series(instrument, timeframe)
    raise SkipThis("series.unknown", remedy="see venue.instruments and candles.timeframes of the settings")
