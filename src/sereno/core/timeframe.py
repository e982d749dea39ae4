"""Timeframes and the one integer that time is: milliseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

UtcMs: TypeAlias = int

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_WEEK_ANCHOR_MS = 4 * DAY_MS  # 1970-01-05, the first Monday


class Timeframe(StrEnum):
    """The span of one candle. Candles open at multiples of it since the epoch; weeks on Monday."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def ms(self) -> int:
        """Span in milliseconds."""
        return _SPAN_MS[self]

    @property
    def seconds(self) -> int:
        """Span in seconds."""
        return self.ms // 1000

    def floor(self, at: UtcMs) -> UtcMs:
        """Open time of the candle that holds the moment `at`."""
        anchor = _WEEK_ANCHOR_MS if self is Timeframe.W1 else 0
        return (at - anchor) // self.ms * self.ms + anchor

    def last_closed_open(self, now: UtcMs) -> UtcMs:
        """Open time of the newest candle that is over at `now`."""
        return self.floor(now) - self.ms


_UNIT_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_SPAN_MS = {tf: int(tf.value[:-1]) * _UNIT_MS[tf.value[-1]] for tf in Timeframe}


def iso(at: UtcMs) -> str:
    """ISO 8601 with `Z`: whole seconds unless there are milliseconds to show."""
    moment = datetime.fromtimestamp(at / 1000, tz=UTC)
    spec = "milliseconds" if at % 1000 else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def from_iso(text: str) -> UtcMs:
    """Milliseconds of an ISO 8601 moment; one without an offset is taken as UTC.

    Raises ValueError if the text is no moment.
    """
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
