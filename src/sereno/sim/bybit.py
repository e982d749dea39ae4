"""What Bybit's v5 answers have in common: the envelope, parameters, error bodies, numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import UtcMs
from sereno.sim.reply import Query, Reply, json_reply

VENUE = "bybit"
MARKETS: Mapping[str, Market] = {"spot": Market.SPOT, "linear": Market.LINEAR}
OTHER_CATEGORIES = frozenset({"inverse", "option"})
REQUESTS_A_SECOND = 120


class BybitError(Exception):
    """A refusal in the venue's own words; HTTP 200 all the same."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def enveloped(result: object, at: UtcMs, code: int = 0, message: str = "OK") -> Reply:
    """A result in the envelope that every answer comes in."""
    return json_reply({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": at})


def answer(make: Callable[[Query], object]) -> Callable[[Query], Reply]:
    """An answer in its envelope; a BybitError becomes an error body."""

    def made(query: Query) -> Reply:
        try:
            return enveloped(make(query), query.server_ms)
        except BybitError as refusal:
            return enveloped({}, query.server_ms, refusal.code, refusal.message)

    return made


def category(query: Query) -> str:
    """The product type, known even where nothing is listed. Raises BybitError."""
    named = query.params.get("category", "")
    if named not in MARKETS and named not in OTHER_CATEGORIES:
        raise BybitError(10001, "params error: Category is invalid")
    return named


def market(query: Query, default: str = "") -> Market:
    """The market of a category. Raises BybitError."""
    named = query.params.get("category") or default
    if named not in MARKETS:
        raise BybitError(10001, "params error: Category is invalid")
    return MARKETS[named]


def instrument(query: Query, default_category: str = "") -> Instrument:
    """The instrument that a query names. Raises BybitError."""
    where = market(query, default_category)
    found = query.view.find(VENUE, where, query.params.get("symbol", ""))
    if found is None:
        raise BybitError(10001, "params error: Symbol Invalid")
    return found


def whole(query: Query, name: str) -> int | None:
    """A parameter that is a whole number, if it is there. Raises BybitError."""
    value = query.params.get(name)
    if value is None or value == "":
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 15:
        raise BybitError(10001, f"params error: {name} invalid")
    return int(value)


def number(value: float) -> str:
    """A number as Bybit writes it: no zeros at its end."""
    text = f"{value:.8f}".rstrip("0")
    return text.rstrip(".") or "0"


def refusal(status: int, at: UtcMs) -> Reply:
    """Bybit's words for an HTTP status that has nothing to do with the query."""
    if status in (403, 429):
        return enveloped({}, at, 10006, "Too many visits. Exceeded the API Rate Limit.")
    return enveloped({}, at, 10016, "Server error.")


def rate_headers(wall_ms: int) -> dict[str, str]:
    """What a client may still do in this second: everything, for there is no limit here."""
    return {
        "X-Bapi-Limit": str(REQUESTS_A_SECOND),
        "X-Bapi-Limit-Status": str(REQUESTS_A_SECOND - 1),
        "X-Bapi-Limit-Reset-Timestamp": str(wall_ms),
    }
