"""Rows of a file become candles, or an error each that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from polars import selectors as cs

from sereno.core.candle import I64, Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.market.imports.columns import NO_TIME, Rows, read_rows
from sereno.market.imports.read import format_named
from sereno.market.imports.words import Imported, RowError
from sereno.market.levels import judge
from sereno.market.quality import ROW_DEFECTS, row_defects

_ABSURD = "a price is absurdly far from those of the candles on both sides"
_WAITING = "a price is far from the one before, and no candle follows that confirms it"
_STEPS_THAT_PROVE = 5  # fewer steps may be wide by chance


def import_candles(path: Path, series: Series, format: str = "auto", *, now: UtcMs | None = None) -> Imported:
    """Candles of one file, oldest first, and an error for each row that is none.

    format  see FileFormat
    now     rows of candles that are not over at this moment are errors; None: not looked at

    Raises FixConfig when the file as a whole is unusable: unreadable, columns missing, no rows, the candles
    of another timeframe, or every row bad for one reason.
    """
    symbol = series.instrument.base + series.instrument.quote
    rows = read_rows(path, format_named(format, path), symbol=symbol)
    if not len(rows.open_ms):
        raise FixConfig("import.no_rows", remedy="there is nothing below the names of the columns", path=path)
    _refuse_other_timeframe(rows.open_ms[rows.has_time], series.timeframe, path)
    reasons = _unusable(rows, series.timeframe, now)
    order = _in_order(rows, reasons)
    order = _believed(rows, order, reasons)
    if not len(order):
        _refuse_one_reason(rows, reasons, path)
    columns = (np.ascontiguousarray(rows.ohlcv[order, i]) for i in range(5))
    errors = tuple(RowError(rows.first_row + row, reasons[row]) for row in sorted(reasons))
    return Imported(Candles(series.timeframe, rows.open_ms[order], *columns), errors)


def _unusable(rows: Rows, timeframe: Timeframe, now: UtcMs | None) -> dict[int, str]:
    """The rows that cannot be candles whatever the others say, and why."""
    reasons: dict[int, str] = dict.fromkeys(np.flatnonzero(~rows.has_time).tolist(), NO_TIME)
    for defect, bad in row_defects(rows.open_ms, rows.ohlcv, timeframe):
        for row in np.flatnonzero(bad).tolist():
            reasons.setdefault(row, ROW_DEFECTS[defect])
    if now is not None:
        for row in np.flatnonzero(rows.open_ms + timeframe.ms > now).tolist():
            reasons.setdefault(row, "the candle is not over yet")
    return reasons


def _in_order(rows: Rows, reasons: dict[int, str]) -> I64:
    """The other rows by time, once each: of several copies the one with the largest volume stays."""
    keep = np.ones(len(rows.open_ms), dtype=np.bool_)
    keep[list(reasons)] = False
    kept = np.flatnonzero(keep)
    order = kept[np.lexsort((rows.ohlcv[kept, 4], rows.open_ms[kept]))]
    stamps = rows.open_ms[order]
    copies = np.flatnonzero(stamps[1:] == stamps[:-1])
    for at in copies.tolist():
        same = rows.first_row + int(order[at + 1])
        reasons[int(order[at])] = f"another copy of the candle of row {same} ({iso(int(stamps[at]))})"
    return np.delete(order, copies)


def _believed(rows: Rows, order: I64, reasons: dict[int, str]) -> I64:
    """Those whose price level the collector would believe too, see `market.levels`."""
    judged = judge(rows.ohlcv[order][:, [0, 3]], before=None)
    reasons.update(dict.fromkeys(order[judged.absurd].tolist(), _ABSURD))
    reasons.update(dict.fromkeys(order[judged.waiting].tolist(), _WAITING))
    return order[~(judged.absurd | judged.waiting)]


def _refuse_one_reason(rows: Rows, reasons: dict[int, str], path: Path) -> None:
    """Raise FixConfig when no row is a candle and all for one reason: it is said once, with a sample."""
    if len(set(reasons.values())) != 1:
        return
    cells = rows.cells.head(1).with_columns(cs.temporal().to_physical())  # a date may be beyond Python's
    raise FixConfig(
        "import.every_row",
        remedy="every row fails for this one reason",
        path=path,
        rows=len(reasons),
        reason=reasons[0],
        sample=" | ".join("" if cell is None else str(cell)[:40] for cell in cells.row(0)),
    )


def _refuse_other_timeframe(stamps: I64, timeframe: Timeframe, path: Path) -> None:
    """A file of 4h candles is no file of 1h candles with many gaps, nor one of 15m a file of 1h."""
    steps = np.diff(np.unique(stamps))
    if not len(steps):
        return
    distances, counts = np.unique(steps, return_counts=True)
    usual, common = int(distances[np.argmax(counts)]), int(np.gcd.reduce(steps))
    coarser = [tf.ms for tf in Timeframe if tf.ms > timeframe.ms and common % tf.ms == 0]
    if usual < timeframe.ms:
        apart = usual
    elif coarser and len(steps) >= _STEPS_THAT_PROVE:
        apart = coarser[-1]
    else:
        return
    named = next((tf.value for tf in Timeframe if tf.ms == apart), f"{apart / 1000:g} s")
    raise FixConfig(
        "import.other_timeframe",
        remedy=f"the file's rows are {named} apart: name that timeframe",
        path=path,
        wanted=timeframe.value,
    )
