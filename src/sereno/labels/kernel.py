"""The compiled walk of the triple barrier; the machine code is kept beside the source between runs."""

from __future__ import annotations

import math
from hashlib import sha256
from inspect import getsource
from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from sereno.core.candle import F64, I64
from sereno.core.compiled import kept
from sereno.core.money import round_money

_grid = register_jitable(round_money)


def _compiled(sources: str) -> Any:
    """The kernel; what is kept on disk is good for these sources only."""

    def walk(
        sign: int,
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
        """Outcome, net return and last row of a position of side `sign` (+1, -1) decided on every row.

        The last row of an unlabelled one is the row on which its horizon ends.
        """
        _ = sources
        rows = len(open_)
        outcome = np.full(rows, -1, dtype=np.int8)
        net = np.full(rows, np.nan)
        last = np.empty(rows, dtype=np.int64)
        for i in range(rows):
            end = i + horizon_bars
            last[i] = end
            if i + 1 >= rows or not math.isfinite(atr[i]) or atr[i] <= 0.0:
                continue
            reference = open_[i + 1]
            entry = _grid(reference * (1.0 + sign * slippage_frac))
            stop = _grid(reference - sign * _grid(atr[i] * stop_atr))
            target = _grid(reference + sign * _grid(atr[i] * target_atr))
            trail = _grid(atr[i] * trailing_atr)
            best = reference
            for j in range(i + 1, min(end, rows - 1) + 1):
                code, fill = -1, 0.0
                if (sign > 0 and low[j] <= stop) or (sign < 0 and high[j] >= stop):
                    code = 0
                    beyond = min(open_[j], stop) if sign > 0 else max(open_[j], stop)
                    fill = _grid(beyond * (1.0 - sign * slippage_frac))
                elif (sign > 0 and high[j] >= target) or (sign < 0 and low[j] <= target):
                    code, fill = 1, target
                elif j == end:
                    code, fill = 2, _grid(close[j] * (1.0 - sign * slippage_frac))
                if code >= 0:
                    outcome[i] = code
                    net[i] = (sign * (fill - entry) - fee_frac * (entry + fill)) / entry
                    last[i] = j
                    break
                if trail > 0.0:
                    best = _grid(max(best, high[j])) if sign > 0 else _grid(min(best, low[j]))
                    moved = _grid(best - sign * trail)
                    stop = max(stop, moved) if sign > 0 else min(stop, moved)
        return outcome, net, last

    return kept(walk)


walk = _compiled(sha256(getsource(round_money).encode()).hexdigest())
