"""How files spell moments and numbers: whatever they hold, it leaves here as milliseconds and float64.

The import and the simulator read files through this one door, so that both take the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sereno.core.candle import F64, I64
from sereno.market.imports.read import FIELDS, read_table
from sereno.market.imports.words import FileFormat
from sereno.market.quality import Bools

NO_TIME: Final = "the time cannot be read"
_SCALES = ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (2**63 - 1, 1, 1_000_000))
_LATEST_MS = (2**63 - 1) // 1_000_000  # the year 2262: what nanoseconds can tell
_DAY = r"^(\d{4}-\d{2}-\d{2})T"
_ZERO_OFFSET = r"\s*(Z|UTC|[+-]00:?00)$"
_TIMES = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
_MOMENTS = (*_TIMES, *(f"{form}%z" for form in _TIMES))
_COMMA = r"^(-?\d+),(\d+)$"
_THOUSANDS = r"^-?[1-9]\d{0,2}(,\d{3})+$"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A file's rows in its own order; row 0 is row `first_row` of the file.

    open_ms   (n,) 0 where there is no moment
    has_time  (n,)
    ohlcv     (n, 5) NaN where there is no number
    cells     (n) the same six columns as the file spells them
    """

    open_ms: I64
    has_time: Bools
    ohlcv: F64
    cells: pl.DataFrame
    first_row: int


def read_rows(path: Path, file_format: FileFormat, *, symbol: str) -> Rows:
    """The rows of a file. Raises FixConfig as `read_table`."""
    table = read_table(path, file_format, symbol=symbol)
    cells = table.frame
    open_ms, has_time = _stamps(cells["time"])
    prices = cells.select(FIELDS)
    commas = _has_decimal_commas(prices)
    ohlcv = np.column_stack([_numbers(column, commas=commas) for column in prices])
    return Rows(open_ms, has_time, ohlcv, cells, table.first_row)


def _numbers(column: pl.Series, *, commas: bool) -> F64:
    """float64; what is no number is NaN."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
        if commas:
            column = column.str.replace(_COMMA, "$1.$2")
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _has_decimal_commas(prices: pl.DataFrame) -> bool:
    """Whether a comma can only be the decimal one: no cell has a point, and not all commas part thousands."""
    texts = [column.str.strip_chars() for column in prices if column.dtype == pl.String]
    if any(column.str.contains(".", literal=True).any() for column in texts):
        return False
    return any((column.str.contains(_COMMA) & ~column.str.contains(_THOUSANDS)).any() for column in texts)


def _stamps(column: pl.Series) -> tuple[I64, Bools]:
    """Milliseconds and which rows have any.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by their size; text may be ISO 8601.
    """
    if column.dtype.is_temporal():
        moments = column.cast(pl.Datetime("ms")).cast(pl.Int64)
    elif column.dtype == pl.String:
        moments = _told(column.str.strip_chars().str.strip_chars('"'))
    else:
        moments = _scaled(column)
    near = moments.is_between(-_LATEST_MS, _LATEST_MS).fill_null(value=False)
    return moments.zip_with(near, pl.Series([0])).to_numpy().copy(), near.to_numpy()


def _told(cells: pl.Series) -> pl.Series:
    """Moments of texts: a number, or a date with or without a time and an offset."""
    moments = _scaled(cells.cast(pl.Int64, strict=False))
    if not moments.null_count():
        return moments
    moments = moments.fill_null(_scaled(cells.cast(pl.Float64, strict=False)))
    spelled = cells.str.replace(_DAY, "$1 ").str.replace(_ZERO_OFFSET, "")
    for form in _MOMENTS:
        if moments.null_count():
            parsed = spelled.str.to_datetime(form, strict=False, time_unit="ms")
            moments = moments.fill_null(parsed.cast(pl.Int64))
    days = spelled.str.to_date("%Y-%m-%d", strict=False)
    return moments.fill_null(days.cast(pl.Datetime("ms")).cast(pl.Int64))


def _scaled(numbers: pl.Series) -> pl.Series:
    """Milliseconds of numbers whose size tells their unit; whole numbers lose nothing on the way."""
    whole = numbers.dtype.is_integer()
    given = numbers.cast(pl.Int64 if whole else pl.Float64, strict=False)
    n = pl.col("n")
    answer: pl.Expr = pl.lit(None, dtype=pl.Int64)
    for below, times, over in reversed(_SCALES):
        scaled = n * times // over if whole else (n * times / over).round().cast(pl.Int64, strict=False)
        answer = pl.when((n >= 0) & (n < below)).then(scaled).otherwise(answer)
    return pl.DataFrame({"n": given}).select(answer.alias("n"))["n"]
