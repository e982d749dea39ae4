"""The digest of candles row by row: one that can go on where it stood when another candle closes."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from sereno.core.candle import Candles
from sereno.core.timeframe import Timeframe

ROWS = "rows:"
_ROW = np.dtype([(name, "<i8" if name == "open_ms" else "<f8") for name in Candles.COLUMNS])


class RowDigest:
    """SHA-256 over the rows so far; equal candles in order, equal digest, however they were handed over."""

    __slots__ = ("_hashed",)

    def __init__(self, timeframe: Timeframe) -> None:
        self._hashed = sha256(timeframe.encode())

    def add(self, candles: Candles) -> None:
        """Go on with the candles that follow."""
        rows = np.empty(len(candles), dtype=_ROW)
        for name in Candles.COLUMNS:
            rows[name] = getattr(candles, name)
        self._hashed.update(rows.tobytes())

    def __str__(self) -> str:
        """`rows:` and 64 hexadecimal digits. The digest can go on afterwards."""
        return f"{ROWS}{self._hashed.hexdigest()}"


def row_digest(candles: Candles) -> str:
    """The digest of all of them at once."""
    digest = RowDigest(candles.timeframe)
    digest.add(candles)
    return str(digest)


def digest_like(stored: str, candles: Candles) -> str:
    """The digest of candles by the definition that made `stored`: signals of old have that by columns."""
    return row_digest(candles) if stored.startswith(ROWS) else candles.digest()
