"""The words of the lake: what was appended, corrected, lost, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sereno.core.candle import Candle
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import Timeframe, UtcMs


class Origin(StrEnum):
    """What one lake holds, for good. Synthetic data never mixes with real data."""

    SYNTHETIC = "synthetic"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Correction:
    """A closed candle that its source later told differently; `old` stays readable for ever."""

    open_ms: UtcMs
    old: Candle
    new: Candle
    noticed_ms: UtcMs
    source: str


@dataclass(frozen=True, slots=True)
class Appended:
    """What one append did, in candles."""

    added: int
    unchanged: int
    corrections: tuple[Correction, ...] = ()

    def __add__(self, other: Appended) -> Appended:
        return Appended(
            self.added + other.added, self.unchanged + other.unchanged, self.corrections + other.corrections
        )


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is stored of one series. There may be gaps in between."""

    rows: int
    first_open_ms: UtcMs
    last_open_ms: UtcMs


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Missing candles: those with first_open_ms <= open_ms <= last_open_ms.

    asked_ms  of a known gap: when the venue last said so; 0: nobody knows
    """

    first_open_ms: UtcMs
    last_open_ms: UtcMs
    reason: str
    asked_ms: UtcMs = 0


@dataclass(frozen=True, slots=True)
class Lapse:
    """Candles that were stored once and went with a damaged file: first_ms <= open_ms <= last_ms.

    gone_ms  moment of the first write after the loss; None until there was one
    """

    first_ms: UtcMs
    last_ms: UtcMs
    gone_ms: UtcMs | None


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that could not be trusted: where its bytes lie now, and what to collect again.

    file       the damaged file, relative to the lake
    kept_as    where it was moved; empty if the file was gone
    first_ms, last_ms   inclusive stamps to collect again; 0 and -1 when there is nothing to collect
    """

    file: str
    reason: str
    kept_as: str
    first_ms: UtcMs
    last_ms: UtcMs

    @property
    def has_range(self) -> bool:
        """Whether there is anything to collect again."""
        return self.last_ms >= self.first_ms


def series_of(key: str) -> Series:
    """The series that a file of candles is of."""
    _, venue, market, slug, timeframe, _ = key.split("/")
    base, _, quote = slug.partition("_")
    return Series(Instrument(venue, Market(market), base, quote), Timeframe(timeframe))
