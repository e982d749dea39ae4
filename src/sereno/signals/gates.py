"""What stands in the way of an entry besides the account: a gap in its data, a rest of its instrument.

Each answers like the risk gate, and is recorded under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import I64
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.signals.words import Reason, RiskVerdict

Span = tuple[UtcMs, UtcMs]
"""Missing candles: those with first <= open_ms <= last."""


def rests_after_gap(open_ms: I64, timeframe: Timeframe, *, rest_bars: int) -> NDArray[np.bool_]:
    """(n,) rows that are among the first `rest_bars` candles after a gap, on the grid of `open_ms` (n,).

    Their features lean on candles from both of its sides.
    """
    rows = np.arange(len(open_ms))
    resumes = np.diff(open_ms, prepend=open_ms[:1]) > timeframe.ms
    newest = np.maximum.accumulate(np.where(resumes, rows, -1))
    return (newest >= 0) & (rows - newest < rest_bars)


def gaps_behind(open_ms: I64, timeframe: Timeframe, *, lookback_bars: int) -> tuple[Span, ...]:
    """Gaps between the newest candle and the one `lookback_bars` before it, newest first."""
    seen = open_ms[-lookback_bars - 1 :]
    at = np.flatnonzero(np.diff(seen) > timeframe.ms)[::-1]
    return tuple((int(seen[i]) + timeframe.ms, int(seen[i + 1]) - timeframe.ms) for i in at)


def data_gap(
    open_ms: I64,
    found: Sequence[Span],
    known: Iterable[Span],
    timeframe: Timeframe,
    *,
    rest_bars: int,
) -> RiskVerdict | None:
    """The no of a gap that the newest row's features look back on, or None.

    open_ms  (n,) of the candles, sorted; `found` are the `gaps_behind` in them
    known    what the venue is known not to have: it refuses for `rest_bars` candles only. A gap that may
             still be filled refuses for as long as any feature sees it
    """
    for gap in found:
        since = int(len(open_ms) - np.searchsorted(open_ms, gap[1]))
        missing = f"{(gap[1] - gap[0]) // timeframe.ms + 1} candles are missing from {iso(gap[0])} on"
        if since <= rest_bars:
            return _no(Reason.DATA_GAP, f"{missing}, {since} of {rest_bars} bars ago")
        if not _is_covered(gap, known, timeframe):
            return _no(Reason.DATA_GAP, f"{missing}, and the venue may still have them")
    return None


def resting(at: UtcMs, taken: Iterable[tuple[Timeframe, UtcMs]], *, cooldown_bars: int) -> RiskVerdict | None:
    """The no of an instrument that rests after a signal on another timeframe, or None.

    taken  newest taken signal of each other timeframe; the rest is counted in bars of the one that was taken
    """
    for timeframe, ts in taken:
        if ts <= at <= ts + cooldown_bars * timeframe.ms:
            said = f"resting for {cooldown_bars} bars of {timeframe} after the signal of {iso(ts)}"
            return _no(Reason.COOLDOWN_ELSEWHERE, said)
    return None


def _no(reason: Reason, detail: str) -> RiskVerdict:
    return RiskVerdict(False, reason, Decimal(0), detail)


def _is_covered(gap: Span, known: Iterable[Span], timeframe: Timeframe) -> bool:
    missing = np.arange(gap[0], gap[1] + 1, timeframe.ms)
    covered = np.zeros(len(missing), dtype=np.bool_)
    for first, last in known:
        covered |= (missing >= first) & (missing <= last)
    return bool(covered.all())
