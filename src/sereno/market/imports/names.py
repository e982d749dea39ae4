"""What a file's name says about its candles: `EXCHANGE_MARKET_SYMBOL_TF`, for example
`BINANCE_SPOT_BTCUSDT_1h.parquet` or `BYBIT_PERP_ETHUSDT_15m.csv`."""

from __future__ import annotations

from sereno.core.instrument import Market, Series

MARKETS = {"SPOT": Market.SPOT, "PERP": Market.LINEAR, "LINEAR": Market.LINEAR}


def name_of_series(series: Series) -> str:
    """The same the other way round, without the suffix."""
    market = {Market.SPOT: "SPOT", Market.LINEAR: "PERP"}[series.instrument.market]
    symbol = f"{series.instrument.base}{series.instrument.quote}"
    return f"{series.instrument.venue.upper()}_{market}_{symbol}_{series.timeframe}"
