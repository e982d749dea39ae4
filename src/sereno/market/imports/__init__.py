"""Candles from files that other tools and exchanges write."""

from sereno.market.imports.check import import_candles
from sereno.market.imports.names import name_of_series
from sereno.market.imports.which import Otherwise, Told, series_of, told_by
from sereno.market.imports.words import FileFormat, Imported, RowError

__all__ = [
    "FileFormat",
    "Imported",
    "Otherwise",
    "RowError",
    "Told",
    "import_candles",
    "name_of_series",
    "series_of",
    "told_by",
]
