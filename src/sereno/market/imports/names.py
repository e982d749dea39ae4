"""What a file's name says about its candles: `EXCHANGE_MARKET_SYMBOL_TF`, for example
`BINANCE_SPOT_BTCUSDT_1h.parquet` or `BYBIT_PERP_ETHUSDT_15m.csv`."""

from __future__ import annotations

from pathlib import Path

from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import Timeframe

_MARKETS = {"SPOT": Market.SPOT, "PERP": Market.LINEAR, "LINEAR": Market.LINEAR}
_QUOTES = (
    "USDT",
    "USDC",
    "FDUSD",
    "BUSD",
    "TUSD",
    "DAI",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BTC",
    "ETH",
    "BNB",
)


def series_of_name(path: Path) -> Series | None:
    """The series that a file name tells, or None if it is named in another way."""
    parts = path.name.partition(".")[0].split("_")
    if len(parts) != 4:
        return None
    venue, market, symbol, timeframe = parts
    pair = pair_of(symbol.upper())
    if market.upper() not in _MARKETS or pair is None or timeframe not in set(Timeframe):
        return None
    base, quote = pair
    return Series(Instrument(venue.lower(), _MARKETS[market.upper()], base, quote), Timeframe(timeframe))


def name_of_series(series: Series) -> str:
    """The same the other way round, without the suffix."""
    market = {Market.SPOT: "SPOT", Market.LINEAR: "PERP"}[series.instrument.market]
    symbol = f"{series.instrument.base}{series.instrument.quote}"
    return f"{series.instrument.venue.upper()}_{market}_{symbol}_{series.timeframe}"


def pair_of(symbol: str) -> tuple[str, str] | None:
    """Base and quote of a symbol that is written in one word, if it ends in a quote that is known."""
    quote = next((q for q in _QUOTES if symbol.endswith(q) and len(symbol) > len(q)), None)
    return None if quote is None else (symbol.removesuffix(quote), quote)
