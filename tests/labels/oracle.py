"""The triple barrier in slow, plain words: what the compiled kernel must say."""

from __future__ import annotations

import math
from typing import NamedTuple

from sereno.core.candle import F64, Candle, Candles
from sereno.core.money import round_money
from sereno.core.settings import BarrierSettings, CostSettings


class Outcome(NamedTuple):
    """What one position came to; `last` is the row on which it ended."""

    label: int
    net: float
    last: int


def judged(
    candles: Candles, atr: F64, row: int, *, is_long: bool, barriers: BarrierSettings, costs: CostSettings
) -> Outcome:
    """One side of one decision, seen with a trader's eyes: prices of a short are mirrored."""
    bars = list(candles)
    unknown = Outcome(-1, math.nan, row + barriers.horizon_bars)
    if row + 1 >= len(bars) or math.isnan(atr[row]) or atr[row] <= 0:
        return unknown
    if bars[row + 1].open_ms - bars[row].open_ms > 2 * candles.timeframe.ms:
        return unknown  # more than one candle is missing: the entry expires
    slip, fee = costs.slippage_bps / 10_000.0, costs.fee_bps / 10_000.0
    side = 1 if is_long else -1
    paid = round_money(bars[row + 1].open * (1.0 + side * slip))
    best = start = round_money(bars[row + 1].open)
    stop = round_money(start - side * round_money(atr[row] * barriers.stop_atr))
    target = round_money(start + side * round_money(atr[row] * barriers.target_atr))
    for last in range(row + 1, min(row + barriers.horizon_bars, len(bars) - 1) + 1):
        bar = bars[last]
        worst = bar.low if is_long else bar.high
        finest = bar.high if is_long else bar.low
        if side * (worst - stop) <= 0:
            through = min(bar.open, stop) if is_long else max(bar.open, stop)
            got, label = round_money(through * (1.0 - side * slip)), 0
        elif side * (finest - target) >= 0:
            got, label = target, 1
        elif last == row + barriers.horizon_bars:
            got, label = round_money(bar.close * (1.0 - side * slip)), 2
        else:
            if barriers.trailing_atr:
                best = round_money(max(best, finest) if is_long else min(best, finest))
                moved = round_money(best - side * round_money(atr[row] * barriers.trailing_atr))
                stop = max(stop, moved) if is_long else min(stop, moved)
            continue
        return Outcome(label, (side * (got - paid) - fee * (paid + got)) / paid, last)
    return unknown


def bar(open_: float, high: float, low: float, close: float) -> Candle:
    """A candle without a date."""
    return Candle(0, open_, high, low, close, 1.0)
