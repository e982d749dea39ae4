"""Bybit v5's habits.

One host and one set of paths; the market is the parameter `category`, which ccxt takes from the
instrument. Loading markets would ask spot, linear, inverse and three option chains: limited to one.
Candles come newest first (ccxt turns them round) in pages of 1000. `start` alone may be answered
with the newest page instead of the first one, so every request names its `end` too; a window with
no history is then an empty page. ccxt rounds `start` up to whole weeks since 1970, a Thursday,
whereas weeks open on Monday. Errors come with HTTP 200 and a `retCode`; 10006 is the rate limit of a
moment. More than 600 requests in 5 seconds from one address are answered with 403, "access too frequent", and
the venue asks for 10 minutes of silence then. Server time: `/v5/market/time`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sereno.core.instrument import Market
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.market.venues.quirks import Quirks


def _window_end(timeframe: Timeframe, since: UtcMs, limit: int) -> Mapping[str, object]:
    return {"until": since + limit * timeframe.ms - 1}


def quirks(market: Market) -> Quirks:
    """Spot, or linear contracts settled in the quote."""
    category = {Market.SPOT: "spot", Market.LINEAR: "linear"}[market]
    return Quirks(
        exchange_id="bybit",
        options={
            "defaultType": "swap" if market is Market.LINEAR else "spot",
            "fetchMarkets": {"types": [category]},
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
        },
        page_rows=1000,
        candle_params=_window_end,
        skewed_weeks=True,
        pauses_s={403: 600.0},
    )
