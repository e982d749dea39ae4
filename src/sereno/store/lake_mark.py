"""The mark on a lake that says, once and for good, whether its data are synthetic or real."""

from __future__ import annotations

import json

from sereno.core.errors import FixConfig
from sereno.store.lake_words import Origin
from sereno.store.objects import Objects

MARKER = "lake.json"
BEAT = "beat.json"
"""Written again and again for proof that writing works."""


def make(objects: Objects, origin: Origin) -> None:
    """Mark a lake that is new."""
    if objects.get(MARKER) is None:
        objects.found()
        with objects.lock("lake"):
            unmarked = objects.get(MARKER) is None
            if unmarked and not objects.keys("candles") and not objects.keys("facts"):
                objects.put(MARKER, _mark(origin).encode())


def check(objects: Objects, origin: Origin) -> None:
    """Raises FixConfig when the mark is gone, unreadable, or says another origin."""
    stored = objects.get(MARKER)
    try:
        found = Origin(json.loads(stored.data)["origin"]) if stored else None
    except (ValueError, KeyError, TypeError):
        found = None
    if found is None:
        raise FixConfig(
            "lake.unmarked",
            remedy=f"{MARKER} is not there or broken: mount the lake's disk or move its folder back; if all the "
            f"rest is there, put {_mark(origin)} into that file (docs/howto/lost-lake.md); "
            "`sereno up` begins a new desk's",
            where=objects.where,
        )
    if found is not origin:
        raise FixConfig(
            "lake.other_origin",
            remedy="synthetic and real candles never share a lake: use another state_dir or lake.url",
            where=objects.where,
            holds=found.value,
            wanted=origin.value,
        )


def _mark(origin: Origin) -> str:
    return json.dumps({"format": 1, "origin": origin.value})
