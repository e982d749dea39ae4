"""Candles of the other traded series, from which a series' models learn as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SkipThis, TryLater
from sereno.core.timeframe import UtcMs

if TYPE_CHECKING:
    from sereno.core.candle import Candles
    from sereno.core.instrument import Series
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.peers")


def peers_of(desk: Desk, series: Series, since: UtcMs | None = None) -> tuple[Candles, ...]:
    """One block a traded series of the same timeframe, itself left out; one that cannot be read is left out too."""
    found = []
    for other in desk.series:
        if other == series or other.timeframe is not series.timeframe:
            continue
        try:
            found.append(desk.lake.candles(other, since))
        except (SkipThis, TryLater) as cause:
            _log.warning("train.peer_left_out", series=series.key, peer=other.key, reason=str(cause))
    return tuple(found)
