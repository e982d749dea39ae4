"""Triple barrier: what a position entered after each candle would have come to. It looks ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64, Candles
from sereno.core.position_rules import HOLD, STOP, TARGET, TIME, TRAILING
from sereno.core.settings import BarrierSettings, CostSettings

I8: TypeAlias = NDArray[np.int8]

STOP_FIRST, TARGET_FIRST, TIMED_OUT, UNLABELLED = 0, 1, 2, -1
_LABELS = {HOLD: UNLABELLED, STOP: STOP_FIRST, TRAILING: STOP_FIRST, TARGET: TARGET_FIRST, TIME: TIMED_OUT}
_LABEL_OF_CODE = np.array([_LABELS[code] for code in range(len(_LABELS))], dtype=np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What came after each decision, a row a candle. The two sides are judged apart.

    ts              (n,) moment of the decision: the candle's close
    long, short     (n,) 1 the target came first, 0 the stop did or both lay in one candle,
                    2 the horizon ended, -1 not known yet, no average true range, or no candle to enter at
    long_return     (n,) of the round trip net of fees and slippage, a fraction of the entry; NaN unlabelled
    short_return    the same for a short
    stop_first_long (n,) the stop ended the position; False where unlabelled
    stop_first_short  the same for a short
    forward_return  (n,) close over close, `horizon_bars` later, less 1; NaN where that lies ahead
    end_ms          (n,) moment when all of the above is known: the purge looks at it. For a row that is
                    not fully known, when it will be if no candle is missing
    """

    ts: I64
    long: I8
    short: I8
    long_return: F64
    short_return: F64
    stop_first_long: NDArray[np.bool_]
    stop_first_short: NDArray[np.bool_]
    forward_return: F64
    end_ms: I64

    def __len__(self) -> int:
        return len(self.ts)


def triple_barrier(candles: Candles, atr: F64, *, barriers: BarrierSettings, costs: CostSettings) -> Labels:
    """Labels of every candle by the rules of a position (`core/position_rules.py`).

    Entry at the next open, which counts as the first of `horizon_bars`; levels hang from that open at
    multiples of the average true range of the decision's candle; highs and lows are followed from the
    entry's candle on; the stop is asked first; a gap through the stop fills at the open; a target fills at
    its price. A row is labelled as soon as its position has ended, otherwise it stays -1. It stays so as well
    where candles are missing after it for longer than an entry waits: paper would let that entry expire.

    atr  (n,) quote, known at the candle's close; NaN leaves the row unlabelled

    Source: López de Prado (2018), Advances in Financial Machine Learning, ch. 3; levels in ATR.
    """
    from sereno.labels.kernel import walk

    if len(atr) != len(candles):
        raise ValueError("one average true range a candle")
    rules = (
        barriers.horizon_bars,
        barriers.target_atr,
        barriers.stop_atr,
        barriers.trailing_atr,
        costs.fee_bps / 10_000.0,
        costs.slippage_bps / 10_000.0,
    )
    stamps = np.ascontiguousarray(candles.open_ms, dtype=np.int64)
    columns = tuple(
        np.ascontiguousarray(x, dtype=np.float64)
        for x in (candles.open, candles.high, candles.low, candles.close, atr)
    )
    long_code, long_return, long_last = walk(1, candles.timeframe.ms, stamps, *columns, *rules)
    short_code, short_return, short_last = walk(-1, candles.timeframe.ms, stamps, *columns, *rules)
    long, short = _LABEL_OF_CODE[long_code], _LABEL_OF_CODE[short_code]
    forward, known = _forward(candles, barriers.horizon_bars)
    last = np.maximum(np.maximum(long_last, short_last), known)
    return Labels(
        ts=candles.close_ms,
        long=long,
        short=short,
        long_return=long_return,
        short_return=short_return,
        stop_first_long=long == STOP_FIRST,
        stop_first_short=short == STOP_FIRST,
        forward_return=forward,
        end_ms=_end_ms(candles, last),
    )


def _forward(candles: Candles, horizon_bars: int) -> tuple[F64, I64]:
    """Close-to-close return and the row on which it is known."""
    forward = np.full(len(candles), np.nan)
    ahead = candles.close[horizon_bars:]
    forward[: len(ahead)] = ahead / candles.close[: len(ahead)] - 1.0
    return forward, np.arange(len(candles), dtype=np.int64) + horizon_bars


def _end_ms(candles: Candles, last: I64) -> I64:
    """Close of row `last`, reckoned on from the newest candle where that lies ahead."""
    if not len(candles):
        return np.empty(0, dtype=np.int64)
    newest = len(candles) - 1
    beyond = np.maximum(last - newest, 0) * candles.timeframe.ms
    return np.asarray(candles.close_ms[np.minimum(last, newest)] + beyond)
