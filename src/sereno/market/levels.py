"""Whether a price level that is far from the one before is believed. One candle's word is not enough.

A redenomination, a relisting or a collapse moves the level for good: the candle after it, even one
that is still forming, stands at the new level and confirms it. A broken row stands alone between
candles that agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64

FAR_RATIO = 20.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """(n,) masks.

    absurd   contradicted by the candles on both sides: not to be stored
    waiting  at a level far from the one before, and nothing follows yet: asked for again, then judged
    """

    absurd: Bools
    waiting: Bools


def judge(open_close: F64, *, before: float | None) -> Judged:
    """Judge rows in order of time.

    open_close  (n, 2) open and close, > 0, finite
    before      close of the candle before the first row; None: unknown, then the first row is believed
    """
    count = len(open_close)
    judged = Judged(np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_))
    for row in _suspects(open_close, before):
        level = _level(open_close, judged.absurd, row, before)
        far = [price for price in open_close[row].tolist() if _is_far(price, level)]
        if not far:
            continue
        if row == count - 1:
            judged.waiting[row] = True
        elif not _is_confirmed(far, level, open_close[row + 1].tolist()):
            judged.absurd[row] = True
    return judged


def _suspects(open_close: F64, before: float | None) -> list[int]:
    """Rows of which a price is far from the close of the row just before."""
    if not len(open_close):
        return []
    first = open_close[0, 0] if before is None else before
    closes = np.concatenate(([first], open_close[:-1, 1]))
    ratio = open_close / closes[:, None]
    far = np.asarray(((ratio > FAR_RATIO) | (ratio < 1 / FAR_RATIO)).any(axis=1))
    far[0] &= before is not None
    return [int(row) for row in np.flatnonzero(far)]


def _level(open_close: F64, absurd: Bools, row: int, before: float | None) -> float:
    """Close of the newest row before that was believed."""
    for earlier in range(row - 1, -1, -1):
        if not absurd[earlier]:
            return float(open_close[earlier, 1])
    assert before is not None
    return before


def _is_confirmed(far: list[float], level: float, following: list[float]) -> bool:
    """Each far price is near what follows; or nothing agrees with anything, and the market runs away."""
    if all(any(not _is_far(price, other) for other in following) for price in far):
        return True
    return all(_is_far(level, other) for other in following)


def _is_far(price: float, other: float) -> bool:
    return not 1 / FAR_RATIO <= price / other <= FAR_RATIO
