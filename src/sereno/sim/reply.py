"""What goes between the HTTP layer and the venues' protocols: a query in, a reply out, both plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sereno.core.candle import Candles
from sereno.sim.view import View

JSON_TYPE = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply; `weight` is what the venue charges against its rate limit for it."""

    body: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1


Distort: TypeAlias = Callable[[Candles], Candles]


@dataclass(frozen=True, slots=True)
class Query:
    """One request: its parameters, the world at that moment, and what a fault does to candles.

    server_ms   the time that the venue claims; a clock fault makes it differ from `view.now`
    """

    params: Mapping[str, str]
    view: View
    server_ms: int
    distort: Distort


Answer: TypeAlias = Callable[[Query], Reply]
Routes: TypeAlias = Mapping[str, Answer]


def json_reply(value: object, *, status: int = 200, weight: int = 1) -> Reply:
    """A value as compact JSON."""
    return Reply(json.dumps(value, separators=(",", ":")).encode(), status, weight=weight)
