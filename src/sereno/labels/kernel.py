"""The compiled walk of the triple barrier over the rules of a position.

The machine code is kept beside the source between runs, for the sources of the rules it was made from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sereno.core import position_rules
from sereno.core.candle import F64, I64
from sereno.core.compiled import kept
from sereno.core.position_rules import (
    HOLD,
    bar_outcome,
    better,
    distance,
    entry_fill,
    expires,
    levels,
    net_frac,
    trailed,
)


def _compiled(sources: str) -> Any:
    """The kernel; what is kept on disk is good for these sources only."""

    def walk(
        sign: int,
        bar_ms: int,
        open_ms: I64,
        open_: F64,
        high: F64,
        low: F64,
        close: F64,
        atr: F64,
        horizon_bars: int,
        target_atr: float,
        stop_atr: float,
        trailing_atr: float,
        fee_frac: float,
        slippage_frac: float,
    ) -> tuple[NDArray[np.int8], F64, I64]:
        """Exit code, net return and last row of a position of side `sign` (+1, -1) decided on every row.

        The code is HOLD for a position that has not ended, or was never entered for want of an average
        true range or a next candle in time; its last row is the row on which its horizon ends.
        """
        _ = sources
        rows = len(open_)
        ended = np.full(rows, HOLD, dtype=np.int8)
        net = np.full(rows, np.nan)
        last = np.empty(rows, dtype=np.int64)
        for i in range(rows):
            end = i + horizon_bars
            last[i] = end
            if i + 1 >= rows or not math.isfinite(atr[i]) or atr[i] <= 0.0:
                continue
            if expires(open_ms[i] + bar_ms, open_ms[i + 1], bar_ms):
                continue
            entry = entry_fill(sign, open_[i + 1], slippage_frac)
            stop_distance = distance(atr[i], stop_atr)
            start, initial_stop, target = levels(
                sign, open_[i + 1], stop_distance, distance(atr[i], target_atr)
            )
            trail = distance(atr[i], trailing_atr)
            stop, best = initial_stop, start
            for j in range(i + 1, min(end, rows - 1) + 1):
                code, price = bar_outcome(
                    sign,
                    open_[j],
                    high[j],
                    low[j],
                    close[j],
                    stop,
                    target,
                    stop != initial_stop,
                    j == end,
                    slippage_frac,
                )
                if code != HOLD:
                    ended[i] = code
                    net[i] = net_frac(sign, entry, price, fee_frac)
                    last[i] = j
                    break
                if trail > 0.0:
                    best = better(sign, best, high[j], low[j])
                    stop = trailed(sign, stop, best, trail)
        return ended, net, last

    return kept(walk)


walk = _compiled(position_rules.in_loops())
