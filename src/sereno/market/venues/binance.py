"""Binance's habits.

Spot and USDⓈ-M futures are two ccxt exchanges with two hosts and two sets of paths (`/api/v3`,
`/fapi/v1`). Loading markets would ask spot, linear and inverse at once, and the currencies with a
key: each is limited to its own. `startTime` alone returns the first candles at or after it, so
history before the listing costs one request. Pages hold 1000 candles (the 1500 of futures is cut
to 1000 by ccxt). Server time: `/api/v3/time`, `/fapi/v1/time`. A ban is 418 with `Retry-After`: 2 minutes to
3 days. Both are counted per address.
"""

from __future__ import annotations

from sereno.core.instrument import Market
from sereno.market.venues.quirks import Quirks


def quirks(market: Market) -> Quirks:
    """Spot, or USDⓈ-M perpetuals."""
    match market:
        case Market.SPOT:
            return Quirks(
                exchange_id="binance",
                options={
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot"]},
                    "fetchCurrencies": False,
                },
                page_rows=1000,
            )
        case Market.LINEAR:
            return Quirks(
                exchange_id="binanceusdm",
                options={"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False},
                page_rows=1000,
            )
