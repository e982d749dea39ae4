"""Names that follow from what they name: computing one twice gives the same id, so a repeat is seen."""

from __future__ import annotations

import json
from hashlib import sha256


def stable_id(prefix: str, *parts: object) -> str:
    """`prefix_` and 20 hex digits of the SHA-256 of the parts' text."""
    body = json.dumps([str(part) for part in parts], separators=(",", ":"))
    return f"{prefix}_{sha256(body.encode()).hexdigest()[:20]}"


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a JSON-able value with sorted keys."""
    body = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(body.encode()).hexdigest()
