"""Splits in time order, with purge and embargo.

A label that is known only after the next slice begins would carry that slice's prices into training:
such rows are purged. `embargo_bars` further rows after each boundary are left out as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sereno.core.candle import I64
from sereno.core.timeframe import UtcMs


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row indices of the three slices, each later than the one before."""

    train: I64
    calibration: I64
    test: I64


def purged(ts: I64, end_ms: I64, start: int, stop: int, *, before_ms: UtcMs) -> I64:
    """Rows of [start, stop) whose features and label are all known by `before_ms`."""
    rows = np.arange(start, stop, dtype=np.int64)
    return rows[(end_ms[start:stop] <= before_ms) & (ts[start:stop] <= before_ms)]


def chain(ts: I64, end_ms: I64, cuts: tuple[int, ...], *, embargo_bars: int) -> tuple[I64, ...]:
    """Slices between consecutive `cuts`, each purged against the next and begun after the embargo.

    ts      (n,) rising moments of the rows
    end_ms  (n,) moments when each label is known
    cuts    rising row numbers; the last one is where the last slice ends
    """
    slices = []
    for i, (start, stop) in enumerate(pairwise(cuts)):
        first = start if i == 0 else min(start + embargo_bars, stop)
        if stop < len(ts):
            slices.append(purged(ts, end_ms, first, stop, before_ms=int(ts[stop])))
        else:
            slices.append(np.arange(first, stop, dtype=np.int64))
    return tuple(slices)


def time_split(
    ts: I64, end_ms: I64, *, calibration_frac: float, test_frac: float, embargo_bars: int
) -> Split:
    """Train, then calibration, then test: the newest `test_frac` of the rows, and the share before it."""
    rows = len(ts)
    test_from = rows - round(rows * test_frac)
    calibration_from = test_from - round(rows * calibration_frac)
    cuts = (0, calibration_from, test_from, rows)
    return Split(*chain(ts, end_ms, cuts, embargo_bars=embargo_bars))


def expanding(
    ts: I64, end_ms: I64, *, folds: int, first_frac: float, embargo_bars: int
) -> tuple[tuple[I64, I64], ...]:
    """(past, next) row numbers of `folds` steps: the past grows, each next block follows it.

    first_frac   share of the rows that the first past holds
    """
    rows = len(ts)
    marks = np.linspace(round(rows * first_frac), rows, folds + 1).astype(int).tolist()
    return tuple(
        (
            purged(ts, end_ms, 0, start, before_ms=int(ts[start])),
            np.arange(min(start + embargo_bars, stop), stop, dtype=np.int64),
        )
        for start, stop in pairwise(marks)
    )


def tail_split(ts: I64, end_ms: I64, *, tail_frac: float, embargo_bars: int) -> tuple[I64, I64]:
    """(head, tail): the tail decides when to stop boosting the head."""
    rows = len(ts)
    head, tail = chain(ts, end_ms, (0, rows - round(rows * tail_frac), rows), embargo_bars=embargo_bars)
    return head, tail
