"""How far back a series is collected, and what a venue's answers say about where its history begins."""

from __future__ import annotations

from collections.abc import Sequence

from sereno.core.candle import Candle
from sereno.core.errors import SkipThis
from sereno.core.settings.history import History
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.lake_words import Extent


def start_of(timeframe: Timeframe, now: UtcMs, candles: CandleSettings, history: History | None) -> UtcMs:
    """Open of the oldest candle to collect: the set depth, and of a traded timeframe what training wants.

    A traded timeframe begins with a day, so that its first candles of higher timeframes are whole.
    """
    depth_ms = candles.depth_ms(timeframe)
    if history is None:
        return timeframe.floor(now - depth_ms)
    return timeframe.floor(Timeframe.D1.floor(now - history.depth_ms(timeframe, set_ms=depth_ms)))


def is_listing(page: Sequence[Candle], stored: Extent, earlier: Extent | None, newest_closed: UtcMs) -> bool:
    """Whether a page that was asked for from before the first stored candle shows that there is nothing before.

    earlier   what was stored before this cycle

    Some venues answer with their newest candles, whatever is asked for. Such a page reaches the present, and
    as time goes on its first candle moves; the first candle of a listing stays.
    """
    opens = [row.open_ms for row in page]
    if opens and min(opens) < stored.first_open_ms:
        return False
    if not opens or max(opens) < newest_closed:
        return True
    if earlier is None or earlier.last_open_ms >= newest_closed:
        return False  # nothing has moved yet that would tell them apart
    return min(opens) == stored.first_open_ms == earlier.first_open_ms


def refuse_too_little(stored: Extent, timeframe: Timeframe, history: History | None, *, venue: str) -> None:
    """Raise SkipThis(`venue.short_history`) where a traded timeframe has fewer candles than training takes."""
    if history is None or stored.rows >= history.least_bars:
        return
    raise SkipThis(
        "venue.short_history",
        remedy=f"{venue} serves {stored.rows} candles of history at {timeframe}, training needs "
        f"{history.least_bars}: take a venue with deep history (binance, bybit, okx), a smaller timeframe, or "
        "import candles from files",
    )
