"""How we and other tools name files of candles.

ours             EXCHANGE_MARKET_SYMBOL_TF.csv, .parquet, …
freqtrade        BASE_QUOTE-TF.feather, BASE_QUOTE_SETTLE-TF-futures.feather, below data/EXCHANGE/
Binance Vision   SYMBOL-TF-YYYY-MM.zip, SYMBOL-TF-YYYY-MM-DD.zip, below data/spot/… or data/futures/um/…
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Market, pairs_of
from sereno.core.timeframe import Timeframe
from sereno.market.imports.names import MARKETS

_SPAN = r"(?P<span>\d+(?:s|m|h|d|w|Mo|mo|M|y))"
_FREQTRADE = re.compile(
    rf"(?P<base>[A-Z0-9]+)_(?P<quote>[A-Z0-9]+)(?:_(?P<settle>[A-Z0-9]+))?-{_SPAN}(?:-(?P<kind>\w+))?"
)
_FREQTRADE_TRADES = re.compile(r"[A-Z0-9]+(?:_[A-Z0-9]+)+-trades")
_VISION = re.compile(rf"(?P<symbol>[A-Z0-9]+)-{_SPAN}-\d{{4}}-\d{{2}}(?:-\d{{2}})?(?:[_ (].*)?")  # or "… (1)"
_VISION_OTHER = re.compile(r"[A-Z0-9]+-(?P<kind>[A-Za-z]{4,})-\d{4}-\d{2}(?:-\d{2})?")
_VISION_PRICES = {"markPriceKlines", "indexPriceKlines", "premiumIndexKlines"}
_VISION_DEPTH = 6  # spot/monthly/klines/SYMBOL/TF, below futures one more


@dataclass(frozen=True, slots=True)
class Named:
    """What a file's name and the folders above it say; None is what they leave open.

    pairs    base and quote; several where a symbol in one word can be parted in several ways
    folder   name of the folder that is called as the exchange is, where the scheme has one
    """

    pairs: tuple[tuple[str, str], ...]
    timeframe: Timeframe
    market: Market | None
    venue: str | None = None
    folder: str | None = None


def named(path: Path) -> Named | None:
    """What the name tells, or None if it follows no scheme that is known.

    Raises SkipThis for files of such a scheme that hold no candles of trades, and FixConfig for candles
    that have no place here: of another timeframe, or of contracts settled in coin.
    """
    stem = path.name.partition(".")[0]
    if ours := _ours(stem):
        return ours
    if _FREQTRADE_TRADES.fullmatch(stem):
        raise _no_candles(path, "trades")
    if found := _FREQTRADE.fullmatch(stem):
        return _freqtrade(path, found)
    if found := _VISION.fullmatch(stem):
        return _vision(path, found)
    if found := _VISION_OTHER.fullmatch(stem):
        raise _no_candles(path, found["kind"])
    return None


def _ours(stem: str) -> Named | None:
    parts = stem.split("_")
    if len(parts) != 4:
        return None
    venue, market, symbol, timeframe = parts
    pairs = pairs_of(symbol.upper())
    if market.upper() not in MARKETS or not pairs or timeframe not in set(Timeframe):
        return None
    return Named(pairs, Timeframe(timeframe), MARKETS[market.upper()], venue=venue.lower())


def _freqtrade(path: Path, found: re.Match[str]) -> Named:
    kind = found["kind"] or "spot"
    if kind not in ("spot", "futures"):
        raise _no_candles(path, kind)
    if kind == "futures" and (found["settle"] or found["quote"]) != found["quote"]:
        raise _settled_in_coin(path)
    folder = path.absolute().parent
    if folder.name == "futures":
        folder = folder.parent
    market = Market.LINEAR if kind == "futures" else Market.SPOT
    pair = (found["base"], found["quote"])
    return Named((pair,), _timeframe(path, found["span"]), market, folder=folder.name.lower())


def _vision(path: Path, found: re.Match[str]) -> Named | None:
    pairs = pairs_of(found["symbol"])
    above = path.absolute().parts[-1 - _VISION_DEPTH : -1]
    if other := _VISION_PRICES.intersection(above):
        raise _no_candles(path, min(other))
    if "cm" in above:
        raise _settled_in_coin(path)
    if not pairs:
        return None
    market = Market.LINEAR if "um" in above else Market.SPOT if "spot" in above else None
    return Named(pairs, _timeframe(path, found["span"]), market, venue="binance")


def _timeframe(path: Path, span: str) -> Timeframe:
    if span not in set(Timeframe):
        raise FixConfig(
            "import.timeframe",
            remedy=f"timeframes here are {', '.join(Timeframe)}",
            file=path.name,
            named=span,
        )
    return Timeframe(span)


def _no_candles(path: Path, kind: str) -> SkipThis:
    return SkipThis(
        "import.no_candles", remedy="only candles of trades are imported", file=path.name, kind=kind
    )


def _settled_in_coin(path: Path) -> FixConfig:
    return FixConfig(
        "import.settled_in_coin",
        remedy="only contracts settled in their quote are known here",
        file=path.name,
    )
