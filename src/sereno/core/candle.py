"""Candles: one, and a column block of them. Prices are float64 quote per base; volume is in base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sereno.core.timeframe import Timeframe, UtcMs

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle; it spans [open_ms, open_ms + timeframe)."""

    open_ms: UtcMs
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """(n,) columns of closed candles of one series, oldest first, `open_ms` strictly rising.

    Gaps stay gaps: nothing is filled in.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("open_ms", "open", "high", "low", "close", "volume")

    timeframe: Timeframe
    open_ms: I64
    open: F64
    high: F64
    low: F64
    close: F64
    volume: F64

    @classmethod
    def of(cls, timeframe: Timeframe, candles: Iterable[Candle]) -> Self:
        """Columns from single candles, which must already be in order."""
        rows = list(candles)
        prices = np.array(
            [(c.open, c.high, c.low, c.close, c.volume) for c in rows], dtype=np.float64
        ).reshape(len(rows), 5)
        stamps = np.array([c.open_ms for c in rows], dtype=np.int64)
        return cls(timeframe, stamps, *(np.ascontiguousarray(prices[:, i]) for i in range(5)))

    @classmethod
    def empty(cls, timeframe: Timeframe) -> Self:
        """No candles."""
        return cls.of(timeframe, ())

    def __len__(self) -> int:
        return len(self.open_ms)

    def __iter__(self) -> Iterator[Candle]:
        columns = (self.open_ms, self.open, self.high, self.low, self.close, self.volume)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield Candle(*row)

    @property
    def close_ms(self) -> I64:
        """(n,) moments at which each candle was over: the first at which it may be known."""
        return self.open_ms + self.timeframe.ms

    def slice(self, start: int, stop: int | None = None) -> Candles:
        """Rows [start, stop), as views."""
        cut = slice(start, stop)
        return Candles(
            self.timeframe,
            self.open_ms[cut],
            self.open[cut],
            self.high[cut],
            self.low[cut],
            self.close[cut],
            self.volume[cut],
        )

    def between(self, since: UtcMs | None, until: UtcMs | None) -> Candles:
        """Rows with since <= open_ms < until; None leaves that side open."""
        start = 0 if since is None else int(np.searchsorted(self.open_ms, since))
        stop = len(self) if until is None else int(np.searchsorted(self.open_ms, until))
        return self.slice(start, stop)

    def digest(self) -> str:
        """SHA-256 (hex) over the little-endian columns: equal candles, equal digest."""
        hashed = sha256(self.timeframe.encode())
        for column in (getattr(self, name) for name in self.COLUMNS):
            hashed.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
        return hashed.hexdigest()
