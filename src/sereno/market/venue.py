"""What the desk asks of an exchange. Each venue's own habits stay behind this protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sereno.core.candle import Candle
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import Timeframe, UtcMs


@dataclass(frozen=True, slots=True)
class FundingRate:
    """What a long pays a short at `ts`, as a fraction of the notional; known at `ts`, not before."""

    ts: UtcMs
    rate: float


@runtime_checkable
class Venue(Protocol):
    """Public market data of one market of one exchange.

    Every method may raise
        TryLater   unreachable, too busy, no JSON, half a reply; tries were already repeated inside
        SkipThis   `venue.unknown_instrument`, or a request that this venue cannot answer
        FixConfig  the venue refuses this key or this place
    """

    name: str
    market: Market

    @property
    def page_rows(self) -> int:
        """Most candles that one reply holds; an empty page says so much time is empty."""
        ...

    async def open(self) -> None:
        """Get ready; asks the network nothing."""
        ...

    async def close(self) -> None:
        """Give connections back. A closed venue may be opened again."""
        ...

    async def server_time_ms(self) -> UtcMs:
        """The venue's clock. SkipThis(`venue.no_server_time`) where a venue does not tell it."""
        ...

    async def rules(self, instruments: Sequence[Instrument]) -> dict[Instrument, InstrumentRules]:
        """Trading grids; an instrument that the venue does not list is left out."""
        ...

    async def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs, limit: int
    ) -> list[Candle]:
        """Candles with open_ms >= since, oldest first, `limit` or the venue's own page at most.

        As the venue tells them: the last may still be forming, and any number may be nonsense.
        A venue whose pages are windows of time answers with an empty page where it has no history.
        """
        ...

    async def ticker(self, instrument: Instrument) -> float:
        """Price of the last trade, quote per base."""
        ...

    async def funding(self, instrument: Instrument, since: UtcMs, limit: int) -> list[FundingRate]:
        """Settled funding with ts >= since, oldest first. SkipThis on spot."""
        ...
