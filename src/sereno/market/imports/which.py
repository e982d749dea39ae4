"""Which series a file holds: what a person says, then the file's name, its folders, the settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import Timeframe
from sereno.market.imports.schemes import Named, named


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of the files; None leaves it to their names."""

    pair: tuple[str, str] | None = None
    timeframe: Timeframe | None = None
    venue: str | None = None


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What holds where nobody says anything.

    pairs       those of the desk: a symbol that can be parted in several ways is one of them
    exchanges   ids that the name of a folder may be; asked for only when a folder's name matters
    """

    venue: str
    market: Market
    pairs: Collection[tuple[str, str]]
    exchanges: Callable[[], Collection[str]]


def told_by(instrument: str, timeframe: str, venue: str) -> Told:
    """Words of a command line; empty ones are left open. Raises FixConfig for a word that means nothing."""
    return Told(
        _pair(instrument) if instrument else None,
        _timeframe(timeframe) if timeframe else None,
        _venue(venue) if venue else None,
    )


def series_of(path: Path, told: Told, otherwise: Otherwise) -> Series:
    """The series of a file.

    Raises FixConfig when nobody says pair or timeframe, when the name can be read as several pairs, or
    says another pair than the person does; SkipThis when the name says that it holds no candles.
    """
    name = named(path)
    pair = told.pair or (_pair_named(name, otherwise, path) if name else None)
    timeframe = told.timeframe or (name.timeframe if name else None)
    if pair is None or timeframe is None:
        needed = " ".join(
            word
            for word, known in (("--instrument BTC/USDT", pair), ("--timeframe 1h", timeframe))
            if known is None
        )
        raise FixConfig(
            "import.which_series", remedy=f"its name does not say: name it by {needed}", file=path.name
        )
    if name is not None and "".join(pair) != "".join(name.pairs[0]):  # where a symbol is parted is a guess
        raise FixConfig(
            "import.another_pair",
            remedy="rename the file, or leave --instrument out",
            file=path.name,
            named=_listed(name.pairs),
            wanted="/".join(pair),
        )
    market = name.market if name else None
    return Series(Instrument(_where(name, told, otherwise), market or otherwise.market, *pair), timeframe)


def _pair_named(name: Named, otherwise: Otherwise, path: Path) -> tuple[str, str]:
    """The pair of a name. Raises FixConfig where it can be read in several ways and none is the desk's."""
    ours = [pair for pair in name.pairs if pair in otherwise.pairs]
    readings = ours or name.pairs
    if len(readings) > 1:
        raise FixConfig(
            "import.which_series",
            remedy=f"say which by --instrument {'/'.join(readings[0])}",
            file=path.name,
            may_be=_listed(readings),
        )
    return readings[0]


def _listed(pairs: Collection[tuple[str, str]]) -> str:
    return " or ".join(map("/".join, pairs))


def _where(name: Named | None, told: Told, otherwise: Otherwise) -> str:
    if told.venue:
        return told.venue
    if name is not None and name.venue:
        return name.venue
    if name is not None and name.folder and name.folder in otherwise.exchanges():
        return name.folder
    return otherwise.venue


def _pair(text: str) -> tuple[str, str]:
    try:
        parsed = Instrument.parse(text, venue="x", market=Market.SPOT)
    except ValueError as cause:
        raise FixConfig(
            "import.instrument", remedy="write BASE/QUOTE, for example BTC/USDT", given=text
        ) from cause
    return parsed.base, parsed.quote


def _timeframe(text: str) -> Timeframe:
    if text in set(Timeframe):
        return Timeframe(text)
    close = get_close_matches(text.lower(), list(Timeframe), n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise FixConfig("import.timeframe", remedy=f"{meant}choose one of {', '.join(Timeframe)}", given=text)


def _venue(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+", text):
        raise FixConfig(
            "import.venue", remedy="write the ccxt id of an exchange, for example binance", given=text
        )
    return text
