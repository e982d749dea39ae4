"""Candles that change under an open position: noticing that one came late, or was corrected.

A position keeps the digest of the candles that its rules were applied to, each taken in after the one before.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from sereno.core.candle import Candle, Candles
from sereno.core.order import Position

_PRICES = struct.Struct("<q4d")


def digest_after(before: str, candle: Candle) -> str:
    """The digest with one more candle; volume is nothing that a rule looks at."""
    packed = _PRICES.pack(candle.open_ms, candle.open, candle.high, candle.low, candle.close)
    return sha256(before.encode() + packed).hexdigest()


def changed(position: Position, candles: Candles) -> Candles | None:
    """The candles that a position should have been checked on, if they are not those that it was; else None.

    candles  of its series, from its entry on at least

    Where fewer are there than it was checked on, some are lost and will be collected again: that says nothing.
    """
    seen = candles.between(position.entry_ms, position.checked_ms)
    if position.candles_digest is None or len(seen) < position.bars_held:
        return None
    digest = ""
    for candle in seen:
        digest = digest_after(digest, candle)
    return None if digest == position.candles_digest else seen
