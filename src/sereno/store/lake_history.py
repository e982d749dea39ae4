"""The whole history of a series, kept in memory, and brought up to date by the files that changed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import polars as pl

from sereno.core.candle import Candles
from sereno.core.growing import GrowingCandles, Grown
from sereno.core.timeframe import Timeframe
from sereno.store import lake_table
from sereno.store.lake_shelf import Shelf
from sereno.store.lake_table import CANDLES

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class _Part:
    """One month file in memory: rows [start, stop) are what the file of this digest holds."""

    sha256: str
    start: int
    stop: int


class History:
    """What `Lake.candles` gives for a series, at the price of the files that changed since the last look.

    The manifest tells which those are by their digests: late candles and corrections change the digest of
    their month as new ones do. A file that rots meanwhile is noticed when it is read, hence with `anew`, by
    `Lake.verify`, or by the next process.
    """

    def __init__(self, timeframe: Timeframe, shelf: Shelf) -> None:
        self._timeframe = timeframe
        self._shelf = shelf
        self._parts: tuple[_Part, ...] = ()
        self._grown = GrowingCandles(Candles.empty(timeframe))

    def read(self, *, anew: bool = False) -> Grown:
        """All candles, oldest first; `anew` reads every file again. Raises SkipThis as `Lake.candles`."""
        if anew:
            self._parts = ()
        for _ in range(_LOOKS):
            manifest = self._shelf.manifest()
            if manifest.unsettled:
                break
            digests = tuple(content.sha256 for content in manifest.contents().values())
            if digests == tuple(part.sha256 for part in self._parts):
                return self._grown.now()
            fresh = self._changed()
            if self._shelf.manifest() == manifest and fresh.keys() >= set(digests) - self._known():
                self._take(digests, fresh)
                return self._grown.now()
        return self._at_once()

    def _changed(self) -> dict[str, Candles]:
        """The month files that are not in memory, by digest."""
        known = self._known()
        files = self._shelf.read_months(lambda content: content.sha256 not in known)
        return {sha256(data).hexdigest(): self._block([data]) for data in files}

    def _known(self) -> set[str]:
        return {part.sha256 for part in self._parts}

    def _at_once(self) -> Grown:
        """Everything, while a writer is at work or after one was killed: nothing is kept of it."""
        return GrowingCandles(self._block(self._shelf.read_months(lambda _: True))).now()

    def _take(self, digests: tuple[str, ...], fresh: dict[str, Candles]) -> None:
        before, held = self._grown.now().candles, {part.sha256: part for part in self._parts}
        same = 0
        while same < min(len(digests), len(self._parts)) and digests[same] == self._parts[same].sha256:
            same += 1
        rows = self._parts[same - 1].stop if same else 0
        parts, blocks = list(self._parts[:same]), []
        for digest in digests[same:]:
            part = held.get(digest)
            blocks.append(fresh[digest] if part is None else before.slice(part.start, part.stop))
            start = parts[-1].stop if parts else 0
            parts.append(_Part(digest, start, start + len(blocks[-1])))
        self._put(before, rows, _joined(self._timeframe, blocks))
        self._parts = tuple(parts)

    def _put(self, before: Candles, rows: int, tail: Candles) -> None:
        """Let `tail` follow the first `rows` rows: added where it only goes on, else begun again."""
        old = before.slice(rows)
        if len(tail) >= len(old) and _equal(old, tail.slice(0, len(old))):
            self._grown.extend(tail.slice(len(old)))
        else:
            self._grown = GrowingCandles(_joined(self._timeframe, [before.slice(0, rows), tail]))

    def _block(self, files: list[bytes]) -> Candles:
        tables = [lake_table.prices_of(data) for data in files]
        return lake_table.candle_block(self._timeframe, pl.concat(tables) if tables else CANDLES.empty())


def _equal(one: Candles, other: Candles) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in Candles.COLUMNS)


def _joined(timeframe: Timeframe, blocks: list[Candles]) -> Candles:
    known = [Candles.empty(timeframe), *blocks]
    columns = (np.concatenate([getattr(block, name) for block in known]) for name in Candles.COLUMNS)
    return Candles(timeframe, *columns)
