"""Proof that a candle is over. An unfinished candle never becomes history."""

from __future__ import annotations

from sereno.core.candle import Candles
from sereno.core.timeframe import UtcMs


def closed_only(candles: Candles, *, asked_ms: UtcMs, venue_asked_ms: UtcMs, settle_ms: int) -> Candles:
    """The candles that are proved closed, oldest first.

    The desk's clock must say so, and besides the candle's successor stands in the same reply, or the
    venue's clock says that it ended `settle_ms` ago. Both clocks are read *before* the request: a
    reply that was on its way while the candle ended may hold it unfinished.
    """
    if not len(candles):
        return candles
    over = candles.close_ms <= asked_ms
    settled = candles.close_ms + settle_ms <= venue_asked_ms
    followed = candles.open_ms < candles.open_ms[-1]
    return candles.slice(0, int((over & (settled | followed)).sum()))
