"""What a simulated market knows: all of it, also what is still to come. `view` cuts it at the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sereno.core.candle import F64, I64, Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import Timeframe, UtcMs


class World(Protocol):
    """A market from its first to its last candle.

    start_ms        open of the first candle
    clock_start_ms  where the clock starts: what lies before is history
    end_ms          close of the last candle; None if there is none
    """

    @property
    def start_ms(self) -> UtcMs: ...

    @property
    def clock_start_ms(self) -> UtcMs: ...

    @property
    def end_ms(self) -> UtcMs | None: ...

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...

    def listed(self, venue: str, market: Market) -> tuple[Instrument, ...]:
        """What a venue offers in a market."""
        ...

    def rules(self, instrument: Instrument) -> InstrumentRules:
        """The grid that prices and quantities are on."""
        ...

    def timeframes(self, instrument: Instrument) -> tuple[Timeframe, ...]:
        """What candles can be had, finest first."""
        ...

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> Candles:
        """Whole candles with since <= open_ms < until. Raises SkipThis for a timeframe not offered."""
        ...

    def funding(self, instrument: Instrument, since: UtcMs, until: UtcMs) -> tuple[I64, F64]:
        """(n,) moments in [since, until) at which funding is paid, and (n,) rates."""
        ...

    def describe(self) -> dict[str, object]:
        """JSON-able facts for people: where the candles come from, from when to when."""
        ...


SPOKEN = {"binance": "binance", "binanceusdm": "binance", "bybit": "bybit"}


def _spoken(venue: str) -> str:
    """The protocol of a venue. Raises FixConfig for one that the simulator does not speak."""
    if venue not in SPOKEN:
        raise FixConfig(
            "sim.unknown_venue",
            remedy=f"the simulator speaks the protocols of {', '.join(SPOKEN)}: set venue.name to one of "
            "them, or leave mode sim",
            venue=venue,
        )
    return SPOKEN[venue]


def make_world(
    settings: SimSettings,
    *,
    instruments: Sequence[Instrument],
    venue: str = "",
    market: Market | None = None,
    timeframe: Timeframe = Timeframe.H1,
    finest: Timeframe | None = None,
) -> World:
    """The world that the settings ask for: files when a folder is named, else the generator.

    timeframe   the trading timeframe: a folder must hold it, or something finer, for each instrument
    finest      the smallest timeframe that will be asked for; it bounds what the generator makes

    `venue` and `market`, when given, override those of the instruments. Raises FixConfig.
    """
    asked = tuple(
        Instrument(_spoken(venue or one.venue), market or one.market, one.base, one.quote)
        for one in instruments
    )
    if settings.candles_dir is not None:
        from sereno.sim.files import FilesWorld

        return FilesWorld(
            settings.candles_dir,
            instruments=asked,
            timeframe=timeframe,
            days_before_end=settings.days_before_end,
        )
    from sereno.sim.generated import GeneratedWorld

    smallest = min((timeframe, finest or timeframe), key=lambda tf: tf.ms)
    return GeneratedWorld(settings.seed, settings.edge, asked, finest=smallest)
