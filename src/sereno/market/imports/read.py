"""Files of candles as one table of text and numbers; nothing is judged here."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sereno.core.errors import FixConfig
from sereno.market.imports.words import FileFormat

FIELDS = ("open", "high", "low", "close", "volume")
_TIME_NAMES = ("timestamp", "open_time", "open_ms", "opentime", "unix", "date", "datetime", "time", "ts")
_VISION = ("open_time", *FIELDS, "close_time", "quote_volume", "count", "taker_base", "taker_quote", "ignore")
_DATES = (pl.Date, pl.Datetime)
_LARGEST_BYTES = 4 * 1024**3
_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,  # a gzip that was cut off
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,  # a zip with a password; NotImplementedError for a way of packing that is unknown
    pl.exceptions.PolarsError,
)


@dataclass(frozen=True, slots=True)
class RawTable:
    """Columns `time`, open, high, low, close, volume as the file has them; `first_row` names its first row."""

    frame: pl.DataFrame
    first_row: int


def read_table(path: Path, file_format: FileFormat, *, symbol: str) -> RawTable:
    """The file's table.

    symbol  `BTCUSDT`: tells which of several volumes is meant

    Raises FixConfig if it cannot be read as that format at all, or its columns cannot be those of candles.
    """
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
    return RawTable(_named(frame, path, symbol), first_row)


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
    text, above = _bytes(path), 0
    if text.lstrip(_BOM).startswith(b"http"):  # CryptoDataDownload writes its address above the header
        text, above = text.partition(b"\n")[2], 1
    first = text.lstrip(_BOM).partition(b"\n")[0].decode(errors="replace").strip()
    if not first:
        raise ValueError("the file is empty")
    has_header = not first.lstrip('"')[:1].isdigit()
    frame = pl.read_csv(
        io.BytesIO(text),
        has_header=has_header,
        separator=max(";\t,", key=first.count),
        infer_schema=False,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
    )
    if not has_header:
        frame = frame.rename(dict(zip(frame.columns, _VISION, strict=False)))
    return frame, 1 + above + has_header


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


def _named(frame: pl.DataFrame, path: Path, symbol: str) -> pl.DataFrame:
    """The six columns that matter, under our names."""
    known = {name.strip().lower().replace(" ", "_"): name for name in frame.columns}
    known.setdefault("volume", _volume_of_base(known, symbol))
    time_name = next((known[name] for name in _TIME_NAMES if name in known), None)
    missing = [name for name in FIELDS if not known.get(name)]
    if time_name is None or missing:
        raise _columns(
            path,
            f"needed are {', '.join(FIELDS)} and one of {', '.join(_TIME_NAMES)}",
            found=", ".join(frame.columns)[:200],
        )
    cells = frame.select(pl.col(time_name).alias("time"), *(pl.col(known[f]).alias(f) for f in FIELDS))
    for name, dtype in cells.schema.items():
        if not (_is_plain(dtype) or (name == "time" and isinstance(dtype, _DATES))):
            remedy = "needed are numbers or text, and for the time also dates"
            raise _columns(path, remedy, column=name, holds=str(dtype))
    return cells


def _volume_of_base(known: Mapping[str, str], symbol: str) -> str:
    """CryptoDataDownload writes `Volume BTC` and `Volume USDT`; "" where nothing is named so."""
    named = (name for name in known if name.startswith("volume_"))
    of_base = (name for name in named if symbol.startswith(name.removeprefix("volume_").upper()))
    return known.get(max(of_base, key=len, default=""), "")


def _is_plain(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Null)


def _columns(path: Path, remedy: str, **facts: str) -> FixConfig:
    return FixConfig("import.columns", remedy=remedy, path=path, **facts)
