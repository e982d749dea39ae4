"""Behind `sereno import-candles`: files into the lake, bad rows told one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Series
from sereno.core.timeframe import Timeframe

if TYPE_CHECKING:
    from sereno.ops.app import Desk

MOST_ERRORS = 20
SUFFIXES = (".csv", ".parquet", ".feather", ".json", ".zip", ".gz")


def import_files(
    desk: Desk, path: Path, symbol: str, timeframe: str, form: str
) -> tuple[tuple[str, ...], int]:
    """Store the candles of a file or of a folder's files; (lines for the terminal, bad rows).

    Raises FixConfig when there is no such file, or nothing says which series it holds.
    """
    from sereno.market.imports import import_candles

    if not path.exists():
        raise FixConfig("import.no_file", remedy="check the path", path=path)
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
    if not files:
        raise FixConfig(
            "import.empty_folder", remedy=f"expected files ending in {', '.join(SUFFIXES)}", path=path
        )
    lines: list[str] = []
    bad = 0
    for file in files:
        series = _series(desk, file, symbol, timeframe)
        now = desk.clock.now_ms()
        found = import_candles(file, series, _form(form, file), now=now)
        done = desk.lake.append(series, found.candles, source=f"file:{file.name}", mode=desk.mode, now=now)
        bad += len(found.errors)
        lines.append(
            f"{file.name} → {series.key}: {done.added} added, {done.unchanged} known, "
            f"{len(done.corrections)} corrected, {len(found.errors)} bad rows"
        )
        lines += [f"  row {error.row}: {error.reason}" for error in found.errors[:MOST_ERRORS]]
        if len(found.errors) > MOST_ERRORS:
            lines.append(f"  and {len(found.errors) - MOST_ERRORS} more")
    return tuple(lines), bad


def _form(form: str, file: Path) -> str:
    if form == "freqtrade":
        return "freqtrade-json" if ".json" in file.name else "freqtrade-feather"
    return form


def _series(desk: Desk, file: Path, symbol: str, timeframe: str) -> Series:
    from sereno.market.imports import series_of_name

    named = series_of_name(file)
    if symbol:
        venue = desk.settings.venue
        instrument = Instrument.parse(symbol, venue=venue.name, market=venue.market)
    elif named:
        instrument = named.instrument
    else:
        raise FixConfig(
            "import.which_series", remedy="name it: --instrument BTC/USDT --timeframe 1h", file=file.name
        )
    if timeframe:
        return Series(instrument, Timeframe(timeframe))
    if named:
        return Series(instrument, named.timeframe)
    raise FixConfig("import.which_series", remedy="name it: --timeframe 1h", file=file.name)
