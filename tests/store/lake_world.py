"""A small world for the lake's tests: candles, a bucket, and stores that die on command."""

from __future__ import annotations

import functools
import logging
import os
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sereno.core.candle import Candles
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.timeframe import HOUR_MS, Timeframe, UtcMs, from_iso
from sereno.store.lake import Appended, Lake, Origin
from sereno.store.objects import LocalObjects, Objects
from sereno.store.objects_s3 import S3Objects

if TYPE_CHECKING:
    import pytest

BTC = Instrument.parse("BTC/USDT", venue="binance", market=Market.SPOT)
HOURLY = Series(BTC, Timeframe.H1)
START = from_iso("2024-01-30T00:00:00Z")  # two days before a month ends
NOW = from_iso("2025-06-01T00:00:00Z")
STORES = ("local", "s3")


def candles(
    count: int, *, start: UtcMs = START, timeframe: Timeframe = Timeframe.H1, seed: int = 1
) -> Candles:
    """A walk of `count` candles without gaps; a candle is the same whatever walk of its seed it is in."""
    opens = start + np.arange(count, dtype=np.int64) * timeframe.ms
    close = 100.0 + ((opens // timeframe.ms * 7919 * seed) % 1000) / 10
    return Candles(timeframe, opens, close - 0.5, close + 1.25, close - 1.5, close, close % 7)


def changed(block: Candles, row: int, *, by: float) -> Candles:
    """The block with one close moved."""
    close = block.close.copy()
    close[row] += by
    return Candles(block.timeframe, block.open_ms, block.open, block.high, block.low, close, block.volume)


def append(
    lake: Lake, block: Candles, *, series: Series = HOURLY, now: UtcMs = NOW, source: str = "venue"
) -> Appended:
    """Append with the provenance that most tests do not care about."""
    return lake.append(series, block, source=source, mode=Mode.SIM, now=now)


def at(hours: int) -> UtcMs:
    """The open of the candle that is `hours` after the first."""
    return START + hours * HOUR_MS


@functools.cache
def bucket_address() -> str:
    """Address of an S3-compatible server in this process, with a bucket `lakes`."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with urllib.request.urlopen(urllib.request.Request(f"{address}/lakes", method="PUT"), timeout=10):
        return address


def folder_of_objects(folder: Path) -> LocalObjects:
    """An empty local store, ready to be written to."""
    made = LocalObjects(folder)
    made.found()
    return made


def open_objects(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """An empty store of this kind."""
    if kind == "local":
        return folder_of_objects(folder / "lake")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return S3Objects(f"s3://lakes/{uuid.uuid4().hex}", endpoint=bucket_address())


def lake_on(objects: Objects) -> Lake:
    """A lake of real data, as a freshly started process sees it."""
    return Lake(objects, origin=Origin.REAL)


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may handle it."""


class Countdown:
    """Kills at the n-th step; counts the steps when n is None."""

    def __init__(self, after: int | None = None) -> None:
        self.left = after
        self.steps = 0

    def __call__(self) -> None:
        self.steps += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class Mortal:
    """A store whose process may die before anything that changes it (which is after what came before)."""

    def __init__(self, inner: Objects, step: Countdown) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def put(self, key: str, data: bytes) -> None:
        self._step()
        self._inner.put(key, data)

    def move(self, source: str, target: str) -> None:
        self._step()
        self._inner.move(source, target)


def mortal_disk(monkeypatch: pytest.MonkeyPatch, step: Countdown) -> None:
    """Let the process die before every system call that changes the disk."""

    def mortal(call: Callable[..., object]) -> Callable[..., object]:
        def around(*args: object) -> object:
            step()
            return call(*args)

        return around

    def torn_write(path: Path, data: bytes) -> int:
        written(path, data[: len(data) // 2])
        step()
        return written(path, data)

    written = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", torn_write)
    monkeypatch.setattr(os, "fsync", mortal(os.fsync))
    monkeypatch.setattr(Path, "replace", mortal(Path.replace))
    monkeypatch.setattr(Path, "unlink", lambda _path, missing_ok: None)  # the dead do not tidy up


def rot(lake: Lake, key: str, how: str) -> None:
    """Damage one object: `truncate` it, flip a `bit`, fill it with `zeros`, or let it be `gone`."""
    objects = lake._objects
    stored = objects.get(key)
    assert stored is not None
    data = stored.data
    match how:
        case "truncate":
            objects.put(key, data[: len(data) // 2])
        case "bit":
            middle = len(data) // 2
            objects.put(key, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "zeros":
            objects.put(key, bytes(len(data)))
        case "empty":
            objects.put(key, b"")
        case "gone":
            objects.move(key, f"elsewhere/{uuid.uuid4().hex}")
        case _:
            raise AssertionError(how)
