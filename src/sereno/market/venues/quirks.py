"""The one shape in which an exchange's habits are told to `CcxtVenue`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import Timeframe, UtcMs

CandleParams = Callable[[Timeframe, UtcMs, int], Mapping[str, object]]


def unified_symbol(instrument: Instrument) -> str:
    """ccxt's spelling: `BTC/USDT`, and `BTC/USDT:USDT` for a contract that settles in the quote."""
    settled = f":{instrument.quote}" if instrument.market is Market.LINEAR else ""
    return f"{instrument.symbol}{settled}"


def nothing_more(timeframe: Timeframe, since: UtcMs, limit: int) -> Mapping[str, object]:  # noqa: ARG001
    """No parameters beyond ccxt's own."""
    return {}


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one market of one exchange differs from the others.

    exchange_id    ccxt's id
    options        ccxt options, so that only this market's endpoints are asked
    page_rows      most candles in one reply; None: ccxt knows, or 500
    candle_params  further parameters of one candle request
    skewed_weeks   weekly requests are aligned to the wrong day by ccxt; ask a week earlier
    pauses_s       HTTP statuses of rate limits: the documented seconds to wait, for want of a `Retry-After`
    """

    exchange_id: str
    options: Mapping[str, object] = field(default_factory=dict)
    page_rows: int | None = None
    candle_params: CandleParams = nothing_more
    skewed_weeks: bool = False
    pauses_s: Mapping[int, float] = field(default_factory=dict)
