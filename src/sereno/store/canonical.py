"""JSON in one spelling, so that equal values are equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping


def json_text(value: object) -> str:
    """Sorted keys, no spaces; floats keep every bit, and numbers that are not finite become null."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, default=_alien)


def _plain(value: object) -> object:
    match value:
        case float():
            return float(value) if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return value


def _alien(value: object) -> object:
    """NumPy scalars as numbers; whatever has no JSON form (paths, Decimal) as its text."""
    item: Callable[[], object] | None = getattr(value, "item", None)
    return str(value) if item is None else _plain(item())
