"""From closed candles to the rows that models learn from: features, labels and both joined."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.settings import BarrierSettings, CostSettings
from sereno.models.contract import Frame
from sereno.models.dataset import Dataset, Outcomes, join

_log = structlog.get_logger("sereno.models")


def rows_of(candles: Candles, *, barriers: BarrierSettings, costs: CostSettings) -> tuple[Frame, Outcomes]:
    """Features of every candle, and what came of it."""
    from sereno.features.frame import compute
    from sereno.labels.barrier import triple_barrier

    frame = compute(candles, atr_bars=barriers.atr_bars)
    return frame, triple_barrier(candles, frame.atr, barriers=barriers, costs=costs)


def peer_rows(
    peers: Sequence[Candles], *, barriers: BarrierSettings, costs: CostSettings
) -> tuple[Dataset, ...]:
    """Labelled rows of other series; one that has too little history is left out."""
    found = []
    for candles in peers:
        if not len(candles):
            continue
        frame, labels = rows_of(candles, barriers=barriers, costs=costs)
        try:
            found.append(join(frame, labels, timeframe=candles.timeframe, horizon_bars=barriers.horizon_bars))
        except SkipThis as cause:
            _log.info("models.peer_left_out", reason=str(cause))
    return tuple(found)
