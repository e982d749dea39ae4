"""What is traded, and the grid that its venue puts prices and quantities on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

from sereno.core.timeframe import Timeframe


class Market(StrEnum):
    """`spot`: coins change hands. `linear`: perpetual contract margined and settled in the quote."""

    SPOT = "spot"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """One tradable pair at one venue. `symbol` is BASE/QUOTE in the trade's common spelling."""

    venue: str
    market: Market
    base: str
    quote: str

    @classmethod
    def parse(cls, symbol: str, *, venue: str, market: Market) -> Self:
        """From `BTC/USDT` or ccxt's `BTC/USDT:USDT`. Raises ValueError on any other shape."""
        base, slash, rest = symbol.strip().upper().partition("/")
        quote = rest.partition(":")[0]
        if not (slash and base.isalnum() and quote.isalnum()):
            raise ValueError(f"{symbol!r} is not BASE/QUOTE, for example BTC/USDT")
        return cls(venue=venue, market=market, base=base, quote=quote)

    @property
    def symbol(self) -> str:
        """`BTC/USDT`, for people and files."""
        return f"{self.base}/{self.quote}"

    @property
    def slug(self) -> str:
        """`BTC_USDT`, safe in paths and file names."""
        return f"{self.base}_{self.quote}"

    @property
    def key(self) -> str:
        """`binance:spot:BTC/USDT`, unique across venues."""
        return f"{self.venue}:{self.market}:{self.symbol}"

    @classmethod
    def from_key(cls, key: str) -> Self:
        """The reverse of `key`. Raises ValueError on any other shape."""
        venue, market, symbol = key.split(":", 2)
        return cls.parse(symbol, venue=venue, market=Market(market))


QUOTES = (
    *("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "DAI"),
    *("EUR", "GBP", "TRY", "BRL", "JPY", "AUD"),
    *("BTC", "ETH", "BNB", "SOL"),
)
_LEAST_BASE = 2


def pairs_of(symbol: str) -> tuple[tuple[str, str], ...]:
    """Base and quote of `BTCUSDT`, in every way that ends in a known quote: DOTUSD is DO/TUSD or DOT/USD."""
    fits = (quote for quote in QUOTES if symbol.endswith(quote) and len(symbol) > len(quote))
    return tuple((symbol.removesuffix(quote), quote) for quote in fits)


def with_slash(symbol: str) -> str:
    """`BTCUSDT` as `BTC/USDT`, by the one known quote that leaves a base; what has none as it is.

    Raises ValueError where two would do: DOTUSD may be DOT/USD or DO/TUSD.
    """
    text = symbol.strip().upper()
    if not text.isalnum():
        return symbol
    fits = [f"{base}/{quote}" for base, quote in pairs_of(text) if len(base) >= _LEAST_BASE]
    if len(fits) > 1:
        raise ValueError(f"{symbol} may be {' or '.join(fits)}: write it with its slash")
    return fits[0] if fits else symbol


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """The venue's grid: price tick and lot in quote and base, and the smallest order."""

    price_tick: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    min_notional_quote: Decimal


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One instrument at one timeframe: what a candle belongs to."""

    instrument: Instrument
    timeframe: Timeframe

    @property
    def key(self) -> str:
        """`binance:spot:BTC/USDT@1h`."""
        return f"{self.instrument.key}@{self.timeframe}"
