"""Tables of the lake: their columns, their Parquet bytes, and how they split into months."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl

from sereno.core.candle import F64, I64, Candles
from sereno.core.mode import Mode
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.manifest import Content

if TYPE_CHECKING:
    from polars._typing import SchemaDict

PRICES = ("open", "high", "low", "close", "volume")
_PROVENANCE: SchemaDict = {"source": pl.String, "mode": pl.String}
_ARRIVAL: SchemaDict = {"arrived_ms": pl.Int64, "late": pl.Boolean}
_DIGEST_KEY = "sereno.columns_sha256"
_TABLES_KEPT = 8

Table = TypeVar("Table", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True, slots=True)
class Shape:
    """Columns of one kind of table; `stamp` sorts the rows and says into which month they fall.

    later  columns that older files lack; null in their rows
    """

    stamp: str
    columns: SchemaDict
    unique: bool
    later: tuple[str, ...] = ()

    def empty(self) -> pl.DataFrame:
        """A table without rows."""
        return pl.DataFrame(schema=self.columns)

    def completed(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table of a file, with the columns that its format did not have yet."""
        absent = [name for name in self.later if name not in table.columns]
        nulls = (pl.lit(None, dtype=self.columns[name]).alias(name) for name in absent)
        return table.with_columns(nulls) if absent else table

    def fits(self, table: pl.DataFrame) -> bool:
        """Whether a file's table has these columns, but perhaps the later ones."""
        return self.completed(table).schema == pl.Schema(self.columns)


CANDLES = Shape(
    "open_ms",
    {"open_ms": pl.Int64, **dict.fromkeys(PRICES, pl.Float64), **_PROVENANCE, **_ARRIVAL},
    unique=True,
    later=tuple(_ARRIVAL),
)
FACTS = Shape("ts", {"ts": pl.Int64, "known_at": pl.Int64, "value": pl.Float64, **_PROVENANCE}, unique=False)
SCANNED = ("open_ms", *PRICES, *_PROVENANCE)
CORRECTION_ROWS = Shape(
    "open_ms",
    {
        "open_ms": pl.Int64,
        **{f"old_{name}": pl.Float64 for name in PRICES},
        **{f"new_{name}": pl.Float64 for name in PRICES},
        "noticed_ms": pl.Int64,
        **_PROVENANCE,
    },
    unique=False,
)


class Tables:
    """The last few tables written, by digest, so that the next append need not read them back."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, pl.DataFrame] = OrderedDict()

    def keep(self, digest: str, table: pl.DataFrame) -> None:
        """Remember a table, and forget the oldest beyond the limit."""
        self._kept[digest] = table
        while len(self._kept) > _TABLES_KEPT:
            self._kept.popitem(last=False)

    def get(self, digest: str) -> pl.DataFrame | None:
        """The table with this file digest, if it is still here."""
        return self._kept.get(digest)


def to_parquet(table: pl.DataFrame, *, stamp: str, now: UtcMs) -> tuple[bytes, Content]:
    """Bytes of a table with at least one row, and their entry in the manifest."""
    out = BytesIO()
    table.write_parquet(out, compression="zstd", compression_level=1, metadata={_DIGEST_KEY: _digest(table)})
    data = out.getvalue()
    return data, content_of(table, data, stamp=stamp, written_ms=now)


def content_of(table: pl.DataFrame, data: bytes, *, stamp: str, written_ms: UtcMs) -> Content:
    """The manifest's entry for these bytes, which hold this table."""
    stamps = table[stamp].to_numpy()
    return Content(
        rows=table.height,
        first_ms=int(stamps.min()),
        last_ms=int(stamps.max()),
        sha256=sha256(data).hexdigest(),
        source=tuple(sorted(table["source"].unique())),
        mode=tuple(sorted(table["mode"].unique())),
        written_ms=written_ms,
    )


def from_parquet(data: bytes, shape: Shape) -> pl.DataFrame:
    """The table in bytes that a digest has vouched for."""
    return shape.completed(pl.read_parquet(BytesIO(data)))


def prices_of(data: bytes) -> pl.DataFrame:
    """The columns of a candle alone, as `from_parquet`."""
    return pl.read_parquet(BytesIO(data), columns=["open_ms", *PRICES])


def salvage(data: bytes, shape: Shape) -> pl.DataFrame | None:
    """The table in bytes that nothing vouches for but the digest inside them; None if it does not."""
    try:
        table = pl.read_parquet(BytesIO(data))
        vouched = pl.read_parquet_metadata(BytesIO(data)).get(_DIGEST_KEY)
    except (pl.exceptions.PolarsError, OSError, ValueError):
        return None
    right = shape.fits(table) and table.height > 0
    return shape.completed(table) if right and vouched == _digest(table) else None


def _digest(table: pl.DataFrame) -> str:
    """SHA-256 (hex) over all columns, text by its runs; null counts as -1."""
    hashed = sha256()
    for column in table.iter_columns():
        if column.dtype == pl.String:
            hashed.update(
                "\n".join(f"{run['value']}\t{run['len']}" for run in column.rle().to_list()).encode()
            )
        else:
            known = column.cast(pl.Int64).fill_null(-1) if column.null_count() else column
            hashed.update(np.ascontiguousarray(known.to_numpy()).tobytes())
    return hashed.hexdigest()


def candle_rows(
    candles: Candles, *, source: str, mode: Mode, now: UtcMs, newest_ms: UtcMs | None
) -> pl.DataFrame:
    """Rows of the lake from a column block that arrives now.

    newest_ms  open of the newest candle stored so far: those before it come late
    """
    late = np.zeros(len(candles), np.bool_) if newest_ms is None else candles.open_ms < newest_ms
    known = {"source": source, "mode": mode.value, "arrived_ms": now}
    repeated = {name: pl.Series([value]).new_from_index(0, len(candles)) for name, value in known.items()}
    prices = {name: getattr(candles, name) for name in ("open_ms", *PRICES)}
    return pl.DataFrame({**prices, **repeated, "late": late}, schema=CANDLES.columns)


def candle_block(timeframe: Timeframe, table: pl.DataFrame) -> Candles:
    """Column block from rows of the lake; the arrays are its own and may be written to."""

    def floats(name: str) -> F64:
        return table[name].to_numpy(writable=True)

    stamps: I64 = table["open_ms"].to_numpy(writable=True)
    return Candles(timeframe, stamps, *(floats(name) for name in PRICES))


def between(table: Table, since: UtcMs | None, until: UtcMs | None) -> Table:
    """Rows with since <= open_ms < until; None leaves that side open."""
    inside = table if since is None else table.filter(pl.col("open_ms") >= since)
    return inside if until is None else inside.filter(pl.col("open_ms") < until)


def month_of(at: UtcMs) -> str:
    """`2024-01`, the UTC month of a moment."""
    return datetime.fromtimestamp(at // 1000, tz=UTC).strftime("%Y-%m")


def month_span(month: str) -> tuple[UtcMs, UtcMs]:
    """First moment of a month and of the next one."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()) * 1000, int(after.timestamp()) * 1000


def by_month(table: pl.DataFrame, stamp: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """The parts of a table sorted by `stamp`, month by month."""
    stamps = table[stamp].to_numpy()
    start = 0
    while start < len(stamps):
        month = month_of(int(stamps[start]))
        stop = int(np.searchsorted(stamps, month_span(month)[1]))
        yield month, table.slice(start, stop - start)
        start = stop
