"""Coarser candles out of finer ones."""

from __future__ import annotations

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.timeframe import Timeframe

VOLUME_PLACES = 8


def divides(fine: Timeframe, coarse: Timeframe) -> bool:
    """Whether candles of `coarse` are whole bundles of candles of `fine`."""
    return fine.ms <= coarse.ms and coarse.ms % fine.ms == 0


def floors(open_ms: I64, timeframe: Timeframe) -> I64:
    """(n,) open times of the candles that hold the moments; weeks open on Monday."""
    anchor = timeframe.floor(0)
    return (open_ms - anchor) // timeframe.ms * timeframe.ms + anchor


def resample(candles: Candles, timeframe: Timeframe) -> Candles:
    """Bundles of `candles` at a coarser timeframe; one exists where at least one finer candle does.

    The first and the last may be cut off. Raises ValueError if the timeframes do not fit.
    """
    if not divides(candles.timeframe, timeframe):
        raise ValueError(f"{timeframe} is not made of whole {candles.timeframe} candles")
    if timeframe is candles.timeframe or not len(candles):
        return Candles(
            timeframe,
            candles.open_ms,
            candles.open,
            candles.high,
            candles.low,
            candles.close,
            candles.volume,
        )
    bundle = floors(candles.open_ms, timeframe)
    first = np.flatnonzero(np.concatenate(([True], bundle[1:] != bundle[:-1])))
    last = np.concatenate((first[1:], [len(candles)])) - 1
    volume: F64 = np.add.reduceat(candles.volume, first)
    return Candles(
        timeframe,
        bundle[first],
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.round(volume, VOLUME_PLACES),
    )
