"""What venues take for a market order, where the settings do not say."""

from __future__ import annotations

from collections.abc import Mapping

from sereno.core.instrument import Market

TAKER_FEES_BPS: Mapping[tuple[str, Market], float] = {
    # Each is the published schedule of the lowest tier, without rebates.
    ("binance", Market.SPOT): 10.0,  # www.binance.com/en/fee/trading, regular user
    ("binance", Market.LINEAR): 5.0,  # www.binance.com/en/fee/futureFee, regular user, USDT-margined
    ("bybit", Market.SPOT): 10.0,  # www.bybit.com/en/help-center/article/Trading-Fee-Structure, non-VIP
    ("bybit", Market.LINEAR): 5.5,  # the same page, perpetual and futures
}


def taker_fee_bps(venue: str, market: Market) -> float | None:
    """Fee of a fill in basis points of its notional; None for a venue whose schedule is not known."""
    return TAKER_FEES_BPS.get((venue, market))
