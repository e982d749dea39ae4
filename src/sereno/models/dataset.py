"""Feature rows joined with what came of them: what the roles learn from.

This is where labels enter. They are columns beside the features, never among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64
from sereno.core.errors import SkipThis
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.models.contract import Frame

UP, DOWN, NEITHER = 0, 1, 2
RATIO_NAME = "atr_ratio_200"


class Outcomes(Protocol):
    """What `labels.barrier` makes: the parts that training reads."""

    @property
    def ts(self) -> I64: ...
    @property
    def long(self) -> NDArray[np.int8]: ...
    @property
    def short(self) -> NDArray[np.int8]: ...
    @property
    def forward_return(self) -> F64: ...
    @property
    def end_ms(self) -> I64: ...


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """(n,) labelled rows, oldest first.

    x           (n, k) features, `names` naming the columns
    end_ms      moment when everything about the row's future is known: the purge looks at it
    trend       UP, DOWN or NEITHER: which side reached its target before its stop
    return_atr  simple return over the horizon in units of ATR over close: free of the level of volatility
    stops       (n, 2) 1 where the stop of a long, of a short, came first
    """

    names: tuple[str, ...]
    ts: I64
    x: F64
    end_ms: I64
    trend: I64
    return_atr: F64
    stops: I64
    horizon_bars: int

    def __len__(self) -> int:
        return len(self.ts)

    def rows(self, chosen: I64) -> Dataset:
        """These rows, in this order."""
        return Dataset(
            names=self.names,
            ts=self.ts[chosen],
            x=np.ascontiguousarray(self.x[chosen]),
            end_ms=self.end_ms[chosen],
            trend=self.trend[chosen],
            return_atr=self.return_atr[chosen],
            stops=self.stops[chosen],
            horizon_bars=self.horizon_bars,
        )

    def known_by(self, moment: UtcMs) -> Dataset:
        """The rows about whose future everything is known at a moment."""
        return self.rows(np.flatnonzero(self.end_ms <= moment).astype(np.int64))

    def thinned(self, most_rows: int) -> Dataset:
        """Every k-th row, so that at most `most_rows` are left: neighbours share most of their future."""
        stride = -(-len(self) // max(1, most_rows))
        return self if stride <= 1 else self.rows(np.arange(0, len(self), stride, dtype=np.int64))

    def always_present(self) -> tuple[str, ...]:
        """Features that never were missing here: a row that lacks one of them is not like these."""
        whole = np.isfinite(self.x).all(axis=0)
        return tuple(self.names[i] for i in np.flatnonzero(whole))


def join(frame: Frame, labels: Outcomes, *, timeframe: Timeframe, horizon_bars: int) -> Dataset:
    """The rows on which every side is labelled and the features are past their warm-up.

    Raises SkipThis when the history is empty or shorter than the longest look-back.
    """
    from sereno.labels.barrier import STOP_FIRST, TARGET_FIRST

    if not len(frame.ts):
        raise SkipThis("models.empty_history", remedy="collect candles first")
    if not np.array_equal(frame.ts, labels.ts):
        raise ValueError("features and labels are not of the same candles")
    first = _warm_from(frame)
    settled = (
        (labels.long >= 0)
        & (labels.short >= 0)
        & np.isfinite(labels.forward_return)
        & np.isfinite(frame.atr)
        & (frame.atr > 0)
    )
    settled[:first] = False
    chosen = np.flatnonzero(settled)
    up, down = labels.long[chosen] == TARGET_FIRST, labels.short[chosen] == TARGET_FIRST
    return Dataset(
        names=tuple(frame.names),
        ts=frame.ts[chosen],
        x=np.ascontiguousarray(frame.values[chosen]),
        end_ms=np.maximum(labels.end_ms, _return_end(frame.ts, timeframe, horizon_bars))[chosen],
        trend=np.where(up & ~down, UP, np.where(down & ~up, DOWN, NEITHER)).astype(np.int64),
        return_atr=labels.forward_return[chosen] / (frame.atr[chosen] / frame.close[chosen]),
        stops=np.column_stack([labels.long[chosen] == STOP_FIRST, labels.short[chosen] == STOP_FIRST]).astype(
            np.int64
        ),
        horizon_bars=horizon_bars,
    )


def _warm_from(frame: Frame) -> int:
    """First row on which every feature has had a value."""
    present = np.isfinite(frame.values)
    ever = present.any(axis=0)
    never = [frame.names[i] for i in np.flatnonzero(~ever)]
    if never:
        raise SkipThis(
            "models.short_history",
            remedy="collect more history, or trade a timeframe that has it",
            rows=len(frame.ts),
            without_a_value=", ".join(sorted(never)[:5]),
        )
    return int(present.argmax(axis=0).max())


def _return_end(ts: I64, timeframe: Timeframe, horizon_bars: int) -> I64:
    """(n,) close of the candle `horizon_bars` rows on, gaps included."""
    ends = ts + horizon_bars * timeframe.ms
    if horizon_bars < len(ts):
        ends[:-horizon_bars] = ts[horizon_bars:]
    return np.asarray(ends, dtype=np.int64)
