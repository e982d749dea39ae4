"""Faults on purpose: what a venue does on a bad day, for the next requests that match.

    POST /sim/faults     one fault, or a list, or {"faults": [...]}; each an object with
        "kind"           one of the kinds below (required)
        "path"           prefix of the paths that it hits; "" (default) is every venue path, never /sim
        "symbol"         only requests for this symbol, as the venue writes it (BTCUSDT); "" is any
        "times"          how many matching requests it hits; default 1; 0: until cleared
        and what the kind needs
    GET /sim/faults      what is still armed;  DELETE /sim/faults clears all

    kind            what happens                                                  needs (default)
    status          an error status with the venue's error body, or `body`        status (503), retry_after_s, body
    html            a web page where JSON is due                                  status (200)
    delay           the right reply, late                                         delay_s (1.0)
    drop            the connection is closed without a reply
    truncated       the connection is closed half-way through the body
    half_json       a complete HTTP reply whose JSON stops half-way
    clock_offset    the venue's clock is off in the time it tells                 offset_ms (30000)
    empty           no candles
    duplicates      every candle twice
    out_of_order    candles shuffled, always the same way
    missing         every fifth candle left out
    nan             a NaN close in the middle
    negative        a negative low in the middle
    absurd          a candle at 1000 times its prices in the middle
    inconsistent    a high below the low in the middle
    unclosed        the newest closed candle as it was half-way: a later request brings the final one
    future          one more candle, which opens after the clock

The first armed fault that matches is used; those of a request's candles and of its transport do not
add up. In a process: `simulator.faults.inject(Fault(FaultKind.STATUS, status=429, retry_after_s=1))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from threading import Lock
from typing import Self

import numpy as np

from sereno.core.candle import Candles
from sereno.core.timeframe import UtcMs


class FaultKind(StrEnum):
    """What goes wrong; the table above says how."""

    STATUS = "status"
    HTML = "html"
    DELAY = "delay"
    DROP = "drop"
    TRUNCATED = "truncated"
    HALF_JSON = "half_json"
    CLOCK_OFFSET = "clock_offset"
    EMPTY = "empty"
    DUPLICATES = "duplicates"
    OUT_OF_ORDER = "out_of_order"
    MISSING = "missing"
    NAN = "nan"
    NEGATIVE = "negative"
    ABSURD = "absurd"
    INCONSISTENT = "inconsistent"
    UNCLOSED = "unclosed"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, armed for `times` requests (0: until cleared)."""

    kind: FaultKind
    path: str = ""
    symbol: str = ""
    times: int = 1
    status: int = 0
    retry_after_s: float | None = None
    body: str = ""
    delay_s: float = 1.0
    offset_ms: int = 30_000

    @classmethod
    def of(cls, value: object) -> Self:
        """From a JSON object. Raises ValueError on anything that it does not know."""
        if not isinstance(value, dict):
            raise ValueError("a fault is a JSON object")
        unknown = set(value) - {field.name for field in fields(cls)}
        if unknown or "kind" not in value:
            raise ValueError(f"unknown or missing keys of a fault: {sorted(unknown) or ['kind']}")
        fault = cls(**{**value, "kind": FaultKind(value["kind"])})
        if fault.times < 0 or fault.delay_s < 0:
            raise ValueError("times and delay_s are 0 or more")
        return fault

    def hits(self, path: str, symbol: str) -> bool:
        """Whether a request is meant."""
        return path.startswith(self.path) and self.symbol in ("", symbol)


class Faults:
    """The armed faults of a simulator; safe to use from several threads."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = Lock()

    def inject(self, *faults: Fault) -> None:
        """Arm faults behind those that are armed already."""
        with self._lock:
            self._armed.extend(faults)

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> tuple[Fault, ...]:
        """What is still to come."""
        with self._lock:
            return tuple(self._armed)

    def take(self, path: str, symbol: str, candles: bool) -> Fault | None:
        """The fault for a request, used up once. Candle faults wait for a request for candles."""
        with self._lock:
            for place, fault in enumerate(self._armed):
                if fault.hits(path, symbol) and (candles or fault.kind not in OF_CANDLES):
                    if fault.times == 1:
                        del self._armed[place]
                    elif fault.times > 1:
                        self._armed[place] = replace(fault, times=fault.times - 1)
                    return fault
        return None


def _rows(candles: Candles, order: np.ndarray) -> Candles:
    return Candles(
        candles.timeframe,
        candles.open_ms[order],
        candles.open[order],
        candles.high[order],
        candles.low[order],
        candles.close[order],
        candles.volume[order],
    )


def _poked(candles: Candles, factor: float, *columns: str) -> Candles:
    copy = _rows(candles, np.arange(len(candles)))
    for column in columns:
        getattr(copy, column)[len(copy) // 2 : len(copy) // 2 + 1] *= factor
    return copy


def _shuffled(candles: Candles) -> Candles:
    return _rows(candles, np.random.Generator(np.random.PCG64(len(candles))).permutation(len(candles)))


def _with_nan(candles: Candles) -> Candles:
    return _poked(candles, float("nan"), "close")


def _unclosed(candles: Candles, now: UtcMs) -> Candles:
    copy = _rows(candles, np.arange(len(candles)))
    closed = np.flatnonzero(copy.close_ms <= now)
    if len(closed):
        row = closed[-1]
        copy.close[row] = (copy.open[row] + copy.close[row]) / 2
        copy.high[row] = max(copy.open[row], copy.close[row])
        copy.low[row] = min(copy.open[row], copy.close[row])
        copy.volume[row] /= 2
    return copy


def _future(candles: Candles, now: UtcMs) -> Candles:
    if not len(candles):
        return candles
    copy = _rows(candles, np.append(np.arange(len(candles)), len(candles) - 1))
    copy.open_ms[-1] = candles.timeframe.floor(now) + candles.timeframe.ms
    return copy


_BY_SHAPE: dict[FaultKind, Callable[[Candles], Candles]] = {
    FaultKind.EMPTY: lambda candles: candles.slice(0, 0),
    FaultKind.DUPLICATES: lambda candles: _rows(candles, np.repeat(np.arange(len(candles)), 2)),
    FaultKind.OUT_OF_ORDER: _shuffled,
    FaultKind.MISSING: lambda candles: _rows(candles, np.flatnonzero(np.arange(len(candles)) % 5 != 2)),
    FaultKind.NAN: _with_nan,
    FaultKind.NEGATIVE: lambda candles: _poked(candles, -1.0, "low"),
    FaultKind.ABSURD: lambda candles: _poked(candles, 1000.0, "open", "high", "low", "close"),
    FaultKind.INCONSISTENT: lambda candles: _poked(candles, 0.5, "high"),
}
_BY_CLOCK: dict[FaultKind, Callable[[Candles, UtcMs], Candles]] = {
    FaultKind.UNCLOSED: _unclosed,
    FaultKind.FUTURE: _future,
}
OF_CANDLES = frozenset((*_BY_SHAPE, *_BY_CLOCK))


def distorted(candles: Candles, fault: Fault | None, now: UtcMs) -> Candles:
    """The candles as the fault has them; untouched when it is of another kind."""
    if fault is None:
        return candles
    if fault.kind in _BY_CLOCK:
        return _BY_CLOCK[fault.kind](candles, now)
    return _BY_SHAPE[fault.kind](candles) if fault.kind in _BY_SHAPE else candles
