"""A training that was begun and not finished: from what it learns, so that the next attempt goes on with it.

    <registry>/unfinished/cutoff.json   newest candles, settings, code, what was asked, when it was begun
    <registry>/unfinished/*.journal     what the searches for parameters tried

The folder goes when the training is finished. Candles that come meanwhile are for the training after it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SkipThis
from sereno.core.files import replace_json
from sereno.core.ids import digest_of
from sereno.core.timeframe import UtcMs, iso

if TYPE_CHECKING:
    from sereno.core.candle import Candles
    from sereno.core.instrument import Series
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.train")
RESUMED_WITHIN_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Cutoff:
    """What a training learns from.

    started_ms   what was stored later does not count
    newest_ms    by series, the open of the newest candle that counts; a series without candles is left out
    origin       of everything else that must be equal to go on: settings, code, series, what was asked
    """

    started_ms: UtcMs
    newest_ms: Mapping[str, UtcMs]
    origin: str

    def candles(self, desk: Desk, series: Series) -> Candles:
        """Those of a series that count, as they were then. Raises as `Lake.candles` does."""
        newest = self.newest_ms.get(series.key)
        until = None if newest is None else newest + series.timeframe.ms
        return desk.lake.candles(series, until=until, as_of=self.started_ms)

    def goes_on(self, origin: str, now: UtcMs) -> bool:
        """Whether an attempt of this origin may continue with it."""
        return self.origin == origin and 0 <= now - self.started_ms <= RESUMED_WITHIN_MS


@dataclass(frozen=True, slots=True)
class Training:
    """An attempt at a training; `resumed` when an earlier one was interrupted and this goes on with it."""

    cutoff: Cutoff
    resumed: bool
    folder: Path

    def finish(self) -> None:
        """Everything is published: the next training begins anew. The cut-off goes first, its journals then."""
        (self.folder / "cutoff.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def begin(desk: Desk, settings_digest: str, asked: tuple[str, ...]) -> Training:
    """Go on with an interrupted training of the same settings, code and request of the last day, or begin one."""
    folder, now = desk.registry.root / "unfinished", desk.clock.now_ms()
    keys = [series.key for series in desk.series]
    origin = digest_of([settings_digest, desk.git_commit, keys, asked])
    kept = _read(folder / "cutoff.json")
    if kept is not None and kept.goes_on(origin, now):
        _log.info("train.resumed", started=iso(kept.started_ms))
        return Training(kept, True, folder)
    begun = Training(Cutoff(now, _newest(desk), origin), False, folder)
    begun.finish()
    replace_json(folder / "cutoff.json", asdict(begun.cutoff))
    return begun


def _newest(desk: Desk) -> Mapping[str, UtcMs]:
    found = {}
    for series in desk.series:
        try:
            extent = desk.lake.extent(series)
        except SkipThis as cause:
            _log.warning("train.unreadable", series=series.key, reason=str(cause))
            continue
        if extent is not None:
            found[series.key] = extent.last_open_ms
    return found


def _read(path: Path) -> Cutoff | None:
    """The cut-off that was kept; None when there is none, or none that can be read."""
    try:
        match json.loads(path.read_bytes()):
            case {"started_ms": int(started_ms), "newest_ms": dict(newest_ms), "origin": str(origin)}:
                return Cutoff(started_ms, {str(key): int(ms) for key, ms in newest_ms.items()}, origin)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as cause:
        _log.warning("train.unreadable_cutoff", path=str(path), reason=str(cause))
    return None
