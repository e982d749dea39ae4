"""Candles of the other traded series, from which a series' models learn as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SkipThis, TryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from sereno.core.candle import Candles
    from sereno.core.instrument import Series
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.peers")


def peers_of(desk: Desk, series: Series, read: Callable[[Series], Candles]) -> tuple[Candles, ...]:
    """One block a traded series of the same timeframe, itself left out; one that cannot be read is left out too.

    None with `models.pooling` off.
    """
    if not desk.settings.models.pooling:
        return ()
    found = []
    for other in desk.series:
        if other == series or other.timeframe is not series.timeframe:
            continue
        try:
            found.append(read(other))
        except (SkipThis, TryLater) as cause:
            _log.warning("train.peer_left_out", series=series.key, peer=other.key, reason=str(cause))
    return tuple(found)
