"""How long a server asks to be left alone, for whoever speaks HTTP."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from sereno.core.clock import WallClock


def retry_after_s(text: str | None) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or a date; None if it holds neither."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - WallClock().now_ms() / 1000)
    except (ValueError, TypeError):
        return None
