"""What an import says: the good candles, and why each other row is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sereno.core.candle import Candles


class FileFormat(StrEnum):
    """Files that hold candles."""

    AUTO = "auto"
    BINANCE_VISION = "binance-vision"
    FREQTRADE_FEATHER = "freqtrade-feather"
    FREQTRADE_JSON = "freqtrade-json"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row is no candle. `row` counts as an editor does: lines of a text file, else rows from 1."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """One file read to its end. Nothing is stored yet; whoever stores it decides about the errors."""

    candles: Candles
    errors: tuple[RowError, ...]

    @property
    def missing_bars(self) -> int:
        """Candles that are not there between the first and the last."""
        opens, step = self.candles.open_ms, self.candles.timeframe.ms
        return int((opens[-1] - opens[0]) // step) + 1 - len(opens) if len(opens) else 0
