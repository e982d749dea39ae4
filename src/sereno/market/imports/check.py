"""Rows of a file become candles, or an error each that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from sereno.core.candle import I64, Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.market.imports.read import FIELDS, RawTable, format_named, read_table
from sereno.market.imports.words import Imported, RowError
from sereno.market.quality import ROW_DEFECTS, row_defects

_SCALES = ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (2**63 - 1, 1, 1_000_000))
_MOMENTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


def import_candles(path: Path, series: Series, format: str = "auto", *, now: UtcMs | None = None) -> Imported:
    """Candles of one file, oldest first, and an error for each row that is none.

    format  see FileFormat
    now     rows of candles that are not over at this moment are errors; None: not looked at

    Raises FixConfig when the file as a whole is unusable: unreadable, columns missing, or the candles
    of another timeframe.
    """
    table = read_table(path, format_named(format, path))
    stamps, has_stamp = _stamps(table.frame["time"])
    ohlcv = np.column_stack([_numbers(table.frame[name]) for name in FIELDS])
    reasons: dict[int, str] = dict.fromkeys(np.flatnonzero(~has_stamp).tolist(), "the time cannot be read")
    _refuse_other_timeframe(stamps[has_stamp], series.timeframe, path)
    for defect, bad in row_defects(stamps, ohlcv, series.timeframe):
        for row in np.flatnonzero(bad).tolist():
            reasons.setdefault(row, ROW_DEFECTS[defect])
    if now is not None:
        for row in np.flatnonzero(stamps + series.timeframe.ms > now).tolist():
            reasons.setdefault(row, "the candle is not over yet")
    keep = np.ones(len(stamps), dtype=np.bool_)
    keep[list(reasons)] = False
    rows = np.flatnonzero(keep)
    order = rows[np.lexsort((ohlcv[rows, 4], stamps[rows]))]
    copies = np.flatnonzero(stamps[order][1:] == stamps[order][:-1])
    for at in copies.tolist():
        kept = table.first_row + int(order[at + 1])
        reasons[int(order[at])] = f"another copy of the candle of row {kept} ({iso(int(stamps[order[at]]))})"
    order = np.delete(order, copies)
    columns = (np.ascontiguousarray(ohlcv[order, i]) for i in range(5))
    return Imported(Candles(series.timeframe, stamps[order], *columns), _errors(reasons, table))


def _errors(reasons: dict[int, str], table: RawTable) -> tuple[RowError, ...]:
    return tuple(RowError(table.first_row + row, reasons[row]) for row in sorted(reasons))


def _numbers(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """float64; what is no number is NaN."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _stamps(column: pl.Series) -> tuple[I64, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Milliseconds and which rows have any.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by their size; text may be ISO 8601.
    """
    if column.dtype.is_temporal():
        moments = column.cast(pl.Datetime("ms")).cast(pl.Int64)
    elif column.dtype == pl.String:
        cells = column.str.strip_chars().str.strip_chars('"').str.strip_suffix("Z").str.strip_suffix("+00:00")
        moments = _scaled(cells.str.strip_suffix(".0").cast(pl.Int64, strict=False))
        for form in _MOMENTS:
            parsed = cells.str.to_datetime(form, strict=False, time_unit="ms").cast(pl.Int64)
            moments = moments.fill_null(parsed)
        days = cells.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms")).cast(pl.Int64)
        moments = moments.fill_null(days)
    else:
        moments = _scaled(column.cast(pl.Int64, strict=False))
    return moments.fill_null(0).to_numpy().copy(), moments.is_not_null().to_numpy()


def _scaled(numbers: pl.Series) -> pl.Series:
    rest = pl.col("n")
    answer: pl.Expr = pl.lit(None, dtype=pl.Int64)
    for below, times, over in reversed(_SCALES):
        answer = pl.when(rest < below).then(rest * times // over).otherwise(answer)
    return pl.DataFrame({"n": numbers}).select(answer.alias("n"))["n"]


def _refuse_other_timeframe(stamps: I64, timeframe: Timeframe, path: Path) -> None:
    """A file of 4h candles is no file of 1h candles with many gaps: no two of its rows are 1h apart."""
    steps = np.diff(np.unique(stamps))
    if not len(steps):
        return
    distances, counts = np.unique(steps, return_counts=True)
    usual = int(distances[np.argmax(counts)])
    if usual != timeframe.ms:
        named = next((tf.value for tf in Timeframe if tf.ms == usual), f"{usual / 1000:g} s")
        raise FixConfig(
            "import.other_timeframe",
            remedy=f"the file's rows are {named} apart: name that timeframe",
            path=path,
            wanted=timeframe.value,
        )
