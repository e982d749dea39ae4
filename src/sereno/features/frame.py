"""The feature frame: every feature of a block of candles at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sereno.core.candle import F64, I64, Candle, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.timeframe import Timeframe
from sereno.features.feature import Feature
from sereno.features.plan import Column, Plan
from sereno.features.recursions import atr
from sereno.features.registry import FEATURES, feature_names, warm_up_bars
from sereno.features.resample import resample

__all__ = ["FeatureFrame", "Layout", "compute", "layout_of", "warm_up_bars"]

_ROWS = 1024
_RECOLLECT = "re-collect the range; see the quality findings"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureFrame:
    """Features of closed candles, one row each.

    ts      (n,) moments at which the rows are known: the candles' close
    values  (n, k) C-contiguous; NaN in a feature's warm-up and where it is undefined
    atr     (n,) average true range in quote; NaN in its warm-up
    close   (n,) quote
    """

    timeframe: Timeframe
    names: tuple[str, ...]
    ts: I64
    values: F64
    atr: F64
    close: F64

    def __len__(self) -> int:
        return len(self.ts)

    def column(self, name: str) -> F64:
        """(n,) one feature."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which features stand where, and what makes them: one plan for each timeframe that is read.

    The plan of the trading timeframe ends with the average true range.
    """

    features: tuple[Feature, ...]
    base: Plan
    base_at: tuple[int, ...]
    higher: tuple[tuple[Timeframe, Plan, tuple[int, ...]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(feature.name for feature in self.features)

    @classmethod
    def of(cls, features: Sequence[Feature], atr_bars: int) -> Layout:
        """The layout of these features, in this order."""
        base_at = tuple(i for i, f in enumerate(features) if f.higher is None)
        spans = dict.fromkeys(f.higher for f in features if f.higher is not None)
        higher = []
        for span in spans:
            at = tuple(i for i, f in enumerate(features) if f.higher is span)
            higher.append((span, Plan.of([features[i].node for i in at]), at))
        base = Plan.of([*(features[i].node for i in base_at), atr(atr_bars)])
        return cls(tuple(features), base, base_at, tuple(higher))


@lru_cache(maxsize=32)
def layout_of(names: tuple[str, ...], atr_bars: int) -> Layout:
    """The layout of registered features. Raises FixConfig for a name that is not registered."""
    missing = [name for name in names if name not in FEATURES]
    if missing:
        raise FixConfig("features.unknown", remedy="see docs/features.md", names=", ".join(missing))
    return Layout.of([FEATURES[name] for name in names], atr_bars)


def compute(candles: Candles, *, atr_bars: int = 14, names: Iterable[str] | None = None) -> FeatureFrame:
    """The frame of closed candles, oldest first; by default all features of their timeframe.

    Raises SkipThis("features.bad_candles") if a price is not positive and finite or a volume negative,
    FixConfig("features.unknown") for a name that is not registered.
    """
    chosen = feature_names(candles.timeframe) if names is None else tuple(names)
    return frame_of(candles, layout_of(chosen, atr_bars))


def frame_of(candles: Candles, layout: Layout) -> FeatureFrame:
    """The frame of any layout, registered or not."""
    refuse_bad(candles)
    *base, average = layout.base.batch(candles)
    columns = [Column(0, np.empty(0))] * len(layout.features)
    for at, column in zip(layout.base_at, base, strict=True):
        columns[at] = column
    for span, plan, places in layout.higher:
        for at, joined in zip(places, _joined(candles, span, plan), strict=True):
            columns[at] = Column(0, joined)
    rows = len(candles)
    values = _side_by_side(columns, rows)
    return FeatureFrame(
        candles.timeframe, layout.names, candles.close_ms, values, average.rows(0, rows), candles.close
    )


def refuse_bad(candles: Candles) -> None:
    """Raise SkipThis for candles that nothing can be computed from."""
    prices = (candles.open, candles.high, candles.low, candles.close)
    good = all(bool(np.all((x > 0) & np.isfinite(x))) for x in prices)
    if not good or not np.all((candles.volume >= 0) & np.isfinite(candles.volume)):
        raise SkipThis("features.bad_candles", remedy=_RECOLLECT)


def refuse_bad_one(candle: Candle) -> None:
    """`refuse_bad` for one candle."""
    good = all(0 < price < math.inf for price in (candle.open, candle.high, candle.low, candle.close))
    if not good or not 0 <= candle.volume < math.inf:
        raise SkipThis("features.bad_candles", remedy=_RECOLLECT, open_ms=candle.open_ms)


def _joined(candles: Candles, span: Timeframe, plan: Plan) -> list[F64]:
    resampled = resample(candles, span)
    return [
        _taken(column.rows(0, len(resampled.candles)), resampled.newest)
        for column in plan.batch(resampled.candles)
    ]


def _taken(column: F64, newest: I64) -> F64:
    if not len(column):
        return np.full(len(newest), np.nan)
    return np.where(newest >= 0, column[np.maximum(newest, 0)], np.nan)


def _side_by_side(columns: Sequence[Column], rows: int) -> F64:
    values = np.empty((rows, len(columns)))
    for start in range(0, rows, _ROWS):
        stop = min(start + _ROWS, rows)
        np.stack([column.rows(start, stop) for column in columns], axis=1, out=values[start:stop])
    return values
