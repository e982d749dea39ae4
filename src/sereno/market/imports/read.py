"""Files of candles as one table of text and numbers; nothing is judged here."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sereno.core.errors import FixConfig
from sereno.market.imports.words import FileFormat

FIELDS = ("open", "high", "low", "close", "volume")
_TIME_NAMES = ("timestamp", "open_time", "open_ms", "opentime", "date", "datetime", "time", "ts", "unix")
_VISION = ("open_time", *FIELDS, "close_time", "quote_volume", "count", "taker_base", "taker_quote", "ignore")
_LARGEST_BYTES = 4 * 1024**3
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,  # a gzip that was cut off
    zlib.error,
    zipfile.BadZipFile,
    RuntimeError,  # a zip with a password; NotImplementedError for a way of packing that is unknown
    pl.exceptions.PolarsError,
)


@dataclass(frozen=True, slots=True)
class RawTable:
    """Columns `time`, open, high, low, close, volume as the file has them; `first_row` names its first row."""

    frame: pl.DataFrame
    first_row: int


def read_table(path: Path, file_format: FileFormat) -> RawTable:
    """The file's table. Raises FixConfig if it cannot be read as that format at all."""
    chosen = guess(path) if file_format is FileFormat.AUTO else file_format
    try:
        frame, first_row = _READERS[chosen](path)
    except FileNotFoundError as cause:
        raise FixConfig("import.no_file", remedy="check the path", path=path) from cause
    except _UNREADABLE as cause:
        raise FixConfig(
            "import.unreadable",
            remedy=f"is it really a file of format {chosen}? formats: {', '.join(FileFormat)}",
            path=path,
            cause=str(cause).strip()[:200],
        ) from cause
    return RawTable(_named(frame, path), first_row)


def format_named(name: str, path: Path) -> FileFormat:
    """The format of that name. Raises FixConfig for any other."""
    if name not in set(FileFormat):
        raise _unknown_format(path)
    return FileFormat(name)


def guess(path: Path) -> FileFormat:
    """The format that a file's suffix stands for."""
    name = path.name.lower().removesuffix(".gz")
    suffixes = {
        ".parquet": FileFormat.PARQUET,
        ".feather": FileFormat.FREQTRADE_FEATHER,
        ".json": FileFormat.FREQTRADE_JSON,
        ".csv": FileFormat.CSV,
        ".zip": FileFormat.BINANCE_VISION,
    }
    found = next((kind for suffix, kind in suffixes.items() if name.endswith(suffix)), None)
    if found is None:
        raise _unknown_format(path)
    return found


def _unknown_format(path: Path) -> FixConfig:
    return FixConfig("import.unknown_format", remedy=f"name one of {', '.join(FileFormat)}", path=path)


def _csv(path: Path) -> tuple[pl.DataFrame, int]:
    """Text cells; a first line that starts with a number or a date is data, and then names are assumed."""
    text = _bytes(path)
    first = text.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0].decode(errors="replace").strip()
    if not first:
        raise ValueError("the file is empty")
    has_header = not first.lstrip('"')[:1].isdigit()
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    frame = pl.read_csv(
        io.BytesIO(text),
        has_header=has_header,
        separator=separator,
        infer_schema=False,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
    )
    if not has_header:
        frame = frame.rename(dict(zip(frame.columns, _VISION, strict=False)))
    return frame, 1 + has_header


def _json(path: Path) -> tuple[pl.DataFrame, int]:
    rows = json.loads(_bytes(path))
    if not isinstance(rows, list) or not rows:
        raise ValueError("not a list of rows")
    cells = [[str(cell) if cell is not None else None for cell in _row(row)] for row in rows]
    return pl.DataFrame(cells, schema=["date", *FIELDS], orient="row", infer_schema_length=None), 1


def _row(row: object) -> list[object]:
    listed = list(row) if isinstance(row, list) else []
    return (listed + [None] * 6)[:6]


def _parquet(path: Path) -> tuple[pl.DataFrame, int]:
    return pl.read_parquet(path), 1


def _feather(path: Path) -> tuple[pl.DataFrame, int]:
    return pl.read_ipc(path), 1


def _bytes(path: Path) -> bytes:
    """The content, unpacked: `.gz`, or the only file in a `.zip`."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            inside = archive.infolist()
            if len(inside) != 1 or inside[0].file_size > _LARGEST_BYTES:
                raise ValueError("a zip must hold exactly one file")
            return archive.read(inside[0])
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


_READERS: dict[FileFormat, Callable[[Path], tuple[pl.DataFrame, int]]] = {
    FileFormat.BINANCE_VISION: _csv,
    FileFormat.CSV: _csv,
    FileFormat.FREQTRADE_JSON: _json,
    FileFormat.FREQTRADE_FEATHER: _feather,
    FileFormat.PARQUET: _parquet,
}


def _named(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The six columns that matter, under our names."""
    known = {name.strip().lower().replace(" ", "_"): name for name in frame.columns}
    time_name = next((known[name] for name in _TIME_NAMES if name in known), None)
    missing = [name for name in FIELDS if name not in known]
    if time_name is None or missing:
        raise FixConfig(
            "import.columns",
            remedy=f"needed are {', '.join(FIELDS)} and one of {', '.join(_TIME_NAMES)}",
            path=path,
            found=", ".join(frame.columns),
        )
    return frame.select(pl.col(time_name).alias("time"), *(pl.col(known[f]).alias(f) for f in FIELDS))
