"""What is wrong with candles: checks that return findings as values and change nothing else.

Two kinds. `sift` looks at what a venue or a file tells: rows that cannot be candles are dropped and
reported. `suspicious` and `staleness` look at what is stored: a crash, a dead market or silence is
reported but kept, for it may well be true. Nothing is winsorised, filled in or smoothed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64, Candle, Candles
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import DAY_MS, Timeframe, UtcMs
from sereno.market.levels import FAR_RATIO, judge

LEAST_PRICE, LARGEST_PRICE = 1e-12, 1e12
_WEEK_ANCHOR_MS = 4 * DAY_MS

Bools = NDArray[np.bool_]


class Defect(StrEnum):
    """What a check found."""

    NOT_A_NUMBER = "not_a_number"
    NOT_POSITIVE = "not_positive"
    ABSURD_PRICE = "absurd_price"
    OHLC_RELATION = "ohlc_relation"
    OFF_GRID = "off_grid"
    IN_THE_FUTURE = "in_the_future"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"
    UNCONFIRMED_LEVEL = "unconfirmed_level"
    LEVEL_CHANGE = "level_change"
    JUMP = "jump"
    ZERO_VOLUME_RUN = "zero_volume_run"
    STALE = "stale"


ROW_DEFECTS = {
    Defect.OFF_GRID: "the open time does not lie on the timeframe's grid",
    Defect.NOT_A_NUMBER: "a price or the volume is missing or no number",
    Defect.NOT_POSITIVE: "a price is not above zero, or the volume is negative",
    Defect.ABSURD_PRICE: "a price is absurdly small or large",
    Defect.OHLC_RELATION: "high and low do not enclose open and close",
}


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One kind of defect in one piece of data.

    first_ms  open of the first candle concerned
    rows      how many candles are concerned
    dropped   whether they were left out; False: they are stored as they are
    """

    defect: Defect
    first_ms: UtcMs
    rows: int
    dropped: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is left of rows that someone else told, in order, and what was found."""

    candles: Candles
    findings: tuple[QualityFinding, ...]


def sift(rows: Sequence[Candle], timeframe: Timeframe, *, before: float | None = None) -> Sifted:
    """Rows as they came, turned into candles that can be stored.

    Bad rows are dropped. Of several copies of one candle the one with the largest volume stays: an
    earlier, unfinished copy never has more. A last row at a level far from the others is left out
    until another one confirms it.

    before  close of the candle before the first row, if it is known
    """
    stamps = np.array([row.open_ms for row in rows], dtype=np.int64)
    prices = np.array([(r.open, r.high, r.low, r.close, r.volume) for r in rows], dtype=np.float64)
    return sift_columns(stamps, prices.reshape(len(rows), 5), timeframe, before=before)


def sift_columns(open_ms: I64, ohlcv: F64, timeframe: Timeframe, *, before: float | None = None) -> Sifted:
    """The same for columns: `open_ms` (n,), `ohlcv` (n, 5)."""
    findings: list[QualityFinding] = []
    keep = np.ones(len(open_ms), dtype=np.bool_)
    for defect, bad in row_defects(open_ms, ohlcv, timeframe):
        fresh = bad & keep
        findings += _found(defect, open_ms, fresh, dropped=True)
        keep &= ~fresh
    stamps, values = open_ms[keep], ohlcv[keep]

    backwards = np.concatenate(([False], stamps[1:] < stamps[:-1])) if len(stamps) else keep[:0]
    findings += _found(Defect.OUT_OF_ORDER, stamps, backwards, dropped=False)
    order = np.lexsort((values[:, 4], stamps))
    stamps, values = stamps[order], values[order]
    copies = np.concatenate((stamps[1:] == stamps[:-1], [False])) if len(stamps) else keep[:0]
    findings += _found(Defect.DUPLICATE, stamps, copies, dropped=True)
    stamps, values = stamps[~copies], values[~copies]

    judged = judge(values[:, [0, 3]], before=before)
    findings += _found(Defect.ABSURD_PRICE, stamps, judged.absurd, dropped=True)
    findings += _found(Defect.UNCONFIRMED_LEVEL, stamps, judged.waiting, dropped=True)
    good = ~(judged.absurd | judged.waiting)
    return Sifted(_candles(timeframe, stamps[good], values[good]), tuple(findings))


def suspicious(
    candles: Candles, *, jump_frac: float, zero_volume_run_bars: int, since: UtcMs = 0
) -> tuple[QualityFinding, ...]:
    """Jumps and changes of level from one close to the next, and runs without volume, in kept candles.

    since  candles that open earlier are context and are not counted
    """
    if not len(candles):
        return ()
    counted = candles.open_ms >= since
    adjacent = np.diff(candles.open_ms) == candles.timeframe.ms
    times = candles.close[1:] / candles.close[:-1]
    moves = np.abs(times - 1.0)
    jumps = np.concatenate(([False], (moves > jump_frac) & adjacent)) & counted
    largest = f"largest {float(moves[jumps[1:]].max()):.1%}" if jumps.any() else ""
    found = _found(Defect.JUMP, candles.open_ms, jumps, dropped=False, detail=largest)
    level = np.concatenate(([False], (times > FAR_RATIO) | (times < 1 / FAR_RATIO))) & counted
    told = f"to {float(times[level[1:]][-1]):.4g} times the level" if level.any() else ""
    found += _found(Defect.LEVEL_CHANGE, candles.open_ms, level, dropped=False, detail=told)
    quiet = _in_long_runs(candles.volume == 0.0, longer_than=zero_volume_run_bars) & counted
    return (*found, *_found(Defect.ZERO_VOLUME_RUN, candles.open_ms, quiet, dropped=False))


def staleness(
    newest_open_ms: UtcMs, timeframe: Timeframe, *, now: UtcMs, settings: CandleSettings
) -> tuple[QualityFinding, ...]:
    """Whether the newest closed candle is too old, counted in candles since it closed."""
    age_bars = (now - newest_open_ms - timeframe.ms) / timeframe.ms
    if age_bars <= settings.stale_after_bars:
        return ()
    return (
        QualityFinding(
            Defect.STALE, newest_open_ms, 1, dropped=False, detail=f"closed {age_bars:.1f} candles ago"
        ),
    )


def row_defects(open_ms: I64, ohlcv: F64, timeframe: Timeframe) -> list[tuple[Defect, Bools]]:
    """(n,) masks of the rows that cannot be candles, one a kind of defect, gravest first."""
    prices, volume = ohlcv[:, :4], ohlcv[:, 4]
    high, low = prices[:, 1], prices[:, 2]
    anchor = _WEEK_ANCHOR_MS if timeframe is Timeframe.W1 else 0
    with np.errstate(invalid="ignore"):
        return [
            (Defect.OFF_GRID, (open_ms <= 0) | ((open_ms - anchor) % timeframe.ms != 0)),
            (Defect.NOT_A_NUMBER, ~np.isfinite(ohlcv).all(axis=1)),
            (Defect.NOT_POSITIVE, (prices <= 0).any(axis=1) | (volume < 0)),
            (Defect.ABSURD_PRICE, ((prices < LEAST_PRICE) | (prices > LARGEST_PRICE)).any(axis=1)),
            (
                Defect.OHLC_RELATION,
                (prices > high[:, None]).any(axis=1) | (prices < low[:, None]).any(axis=1),
            ),
        ]


def _in_long_runs(flags: Bools, *, longer_than: int) -> Bools:
    """Those of the flags that stand in a run of more than so many."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    kept = np.zeros(len(flags), dtype=np.bool_)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        kept[start:stop] = stop - start > longer_than
    return kept


def _found(
    defect: Defect, open_ms: I64, where: Bools, *, dropped: bool, detail: str = ""
) -> list[QualityFinding]:
    count = int(where.sum())
    if not count:
        return []
    return [QualityFinding(defect, int(open_ms[int(np.argmax(where))]), count, dropped, detail)]


def _candles(timeframe: Timeframe, stamps: I64, values: F64) -> Candles:
    return Candles(timeframe, stamps, *(np.ascontiguousarray(values[:, i]) for i in range(5)))


def merged(findings: Sequence[QualityFinding]) -> tuple[QualityFinding, ...]:
    """One finding a kind of defect, so that a record stays short however bad the data is."""
    kinds: dict[tuple[Defect, bool], QualityFinding] = {}
    for f in findings:
        seen = kinds.get((f.defect, f.dropped), f)
        rows = f.rows if seen is f else seen.rows + f.rows
        kinds[f.defect, f.dropped] = QualityFinding(
            f.defect, min(seen.first_ms, f.first_ms), rows, f.dropped, seen.detail or f.detail
        )
    return tuple(kinds.values())
