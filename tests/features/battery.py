"""What every feature must pass. Each check gives the names of the features that do not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sereno.core.candle import F64, Candles
from sereno.features.engine import FeatureEngine
from sereno.features.frame import FeatureFrame, Layout, frame_of
from tests.features.markets import joined, scaled


def unequal_prefixes(layout: Layout, candles: Candles, cuts: Iterable[int]) -> set[str]:
    """History cut anywhere must not change what was there before the cut, not by a bit."""
    whole = frame_of(candles, layout)
    return {
        name
        for cut in cuts
        for name in _differ(frame_of(candles.slice(0, cut), layout), whole.values[:cut], tolerance=0.0)
    }


def seers(layout: Layout, candles: Candles, cuts: Iterable[int]) -> set[str]:
    """Another future must not change the past, not by a bit."""
    whole = frame_of(candles, layout)
    found = set()
    for cut in cuts:
        other = scaled(candles.slice(cut), price=1.7, volume=0.3)
        frame = frame_of(joined(candles.slice(0, cut), other), layout)
        found |= _differ(frame, whole.values, tolerance=0.0, until=cut)
    return found


def skewed(layout: Layout, candles: Candles, primed: int, *, tolerance: float = 1e-9) -> set[str]:
    """Steps after a primed history must continue the batch columns."""
    whole = frame_of(candles, layout)
    engine = FeatureEngine(candles.timeframe, layout=layout)
    engine.prime(candles.slice(0, primed))
    rows = np.array([engine.step(candle).values for candle in candles.slice(primed)])
    return _differ(whole, rows, tolerance=tolerance, since=primed)


def misdeclared(layout: Layout, candles: Candles) -> set[str]:
    """NaN before the declared warm-up, finite from there on, on a lively market with aligned history."""
    values = frame_of(candles, layout).values
    found = set()
    for i, feature in enumerate(layout.features):
        bars = feature.warm_up_bars(candles.timeframe)
        if (
            bars >= len(candles)
            or np.isfinite(values[:bars, i]).any()
            or not np.isfinite(values[bars:, i]).all()
        ):
            found.add(feature.name)
    return found


SCALES = ((1000.0, 1.0), (1.0, 1000.0), (1e-4, 1e3))
BINARY_SCALES = ((1024.0, 1.0), (1.0, 1024.0), (2.0**-13, 2.0**10))


def unstationary(
    layout: Layout, candles: Candles, scales: Iterable[tuple[float, float]] = SCALES
) -> set[str]:
    """Another currency and another lot must not change a feature.

    Wilder's directional movement asks which of two moves is larger. On a coarse tick they are often equal, and
    TA-Lib lets the rounding of their difference decide: real prices are scaled by powers of two, which round alike.
    """
    whole = frame_of(candles, layout)
    found = set()
    for price, volume in scales:
        found |= _differ(
            frame_of(scaled(candles, price=price, volume=volume), layout), whole.values, tolerance=1e-6
        )
    return found


def all_faults(layout: Layout, candles: Candles) -> dict[str, set[str]]:
    """Every check by name."""
    rows = len(candles)
    cuts = (rows // 2, rows * 3 // 4 + 1, rows - 30, rows - 1)
    return {
        "prefix": unequal_prefixes(layout, candles, cuts),
        "future": seers(layout, candles, cuts),
        "live": skewed(layout, candles, rows - 60),
        "warm_up": misdeclared(layout, candles),
        "scale": unstationary(layout, candles),
    }


def _differ(
    frame: FeatureFrame, want: F64, *, tolerance: float, since: int = 0, until: int | None = None
) -> set[str]:
    got = frame.values[since:until]
    want = want[: len(got)] if until is None else want[since:until]
    floor = tolerance * np.nanstd(np.where(np.isfinite(frame.values), frame.values, 0.0), axis=0)
    same = np.abs(got - want) <= tolerance * np.abs(want) + floor
    same |= (got == want) | (np.isnan(got) & np.isnan(want))
    return {name for name, fine in zip(frame.names, same.all(axis=0), strict=True) if not fine}
