"""Candles that grow at their end: an addition costs what is new, not what is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.row_digest import RowDigest
from sereno.core.timeframe import Timeframe

_ROOM_FRAC = 0.25
_LEAST_ROOM = 64


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Candles of one moment. Two of equal `lineage` agree on every row that both have.

    digest  `core.row_digest` of the candles
    """

    candles: Candles
    lineage: object
    digest: str


class GrowingCandles:
    """Columns with room at their end. What was handed out stays as it is, and cannot be written to."""

    __slots__ = ("_columns", "_digest", "_lineage", "_rows", "_timeframe")

    def __init__(self, candles: Candles) -> None:
        self._timeframe: Timeframe = candles.timeframe
        self._lineage = object()
        self._digest = RowDigest(candles.timeframe)
        self._columns: dict[str, I64 | F64] = {}
        self._rows = 0
        self.extend(candles)

    def __len__(self) -> int:
        return self._rows

    def extend(self, candles: Candles) -> None:
        """Take in the candles that follow."""
        rows = self._rows + len(candles)
        if not self._columns or rows > len(self._columns["open_ms"]):
            self._make_room(candles, rows)
        for name, column in self._columns.items():
            column[self._rows : rows] = getattr(candles, name)
        self._digest.add(candles)
        self._rows = rows

    def now(self) -> Grown:
        """All candles so far."""
        views = {name: column[: self._rows] for name, column in self._columns.items()}
        for view in views.values():
            view.flags.writeable = False
        return Grown(Candles(self._timeframe, **views), self._lineage, str(self._digest))  # type: ignore[arg-type]

    def _make_room(self, like: Candles, rows: int) -> None:
        room = rows + max(_LEAST_ROOM, int(rows * _ROOM_FRAC))
        for name in Candles.COLUMNS:
            wider = np.empty(room, dtype=getattr(like, name).dtype)
            if name in self._columns:
                wider[: self._rows] = self._columns[name][: self._rows]
            self._columns[name] = wider
