"""Candles that closed while nobody decided: which ones, so that each gets its recorded no."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import structlog

from sereno.core.instrument import Series
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.store.ledger import signals as kept

if TYPE_CHECKING:
    from sereno.core.candle import Candles
    from sereno.ops.app import Desk

MOST_BARS = 500
MOST_A_PASS = 25  # candles that a pass makes up for, so that the next close does not wait
_log = structlog.get_logger("sereno.signals")


def missed_closes(desk: Desk, series: Series, candles: Candles) -> tuple[UtcMs, ...]:
    """Closes before the newest that have no signal, oldest first, since the desk first decided on the series.

    None from more than MOST_BARS ago or from beyond the retention of
    signals, where a missing one may be one that was let go.
    """
    newest = int(candles.open_ms[-1]) + series.timeframe.ms
    keeps_ms = desk.settings.retention.refused_signals_days * DAY_MS
    since = max(newest - MOST_BARS * series.timeframe.ms, desk.clock.now_ms() - keeps_ms)
    with desk.ledger.read() as tx:
        first = kept.first_moment(tx, series, desk.mode)
        if first is None or first >= newest:
            return ()
        known = kept.moments(tx, series, desk.mode, since)
    begun = max(
        first, since
    )  # not the first known since then: the daemon may have been killed before a look back
    closes = candles.between(begun - series.timeframe.ms, newest - series.timeframe.ms).close_ms.tolist()
    return _unknown(series, closes, known)


def _unknown(series: Series, closes: Sequence[UtcMs], known: Collection[UtcMs]) -> tuple[UtcMs, ...]:
    missing = sorted(set(closes) - set(known))
    if missing:
        _log.warning("signals.missed", series=series.key, candles=len(missing), first_ms=missing[0])
    return tuple(missing)
