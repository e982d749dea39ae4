"""The lake: candles and facts as Parquet, one file a month, each vouched for by a manifest.

    lake.json                                                    what this lake holds, for good
    candles/<venue>/<market>/<BASE_QUOTE>/<timeframe>/<YYYY-MM>.parquet, manifest.json, corrections.parquet
    facts/<name>/<venue>/<market>/<BASE_QUOTE>/<YYYY-MM>.parquet, manifest.json
    quarantine/…                                                 damaged files, under their old paths

What `append` has returned for is on the disk. A kill at any moment leaves every file old or new.
A damaged file is met once: that read raises SkipThis, the file goes to quarantine, its range waits in
`verify` and `missing` to be collected again, and the desk reads on around the hole meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sereno.core.candle import Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Series
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.store import lake_facts, lake_gaps, lake_mark, lake_merge, lake_table
from sereno.store.lake_history import History
from sereno.store.lake_past import Past, past_of
from sereno.store.lake_shelf import Shelf
from sereno.store.lake_table import CANDLES, CORRECTION_ROWS, FACTS, SCANNED, Tables
from sereno.store.lake_words import Appended, Correction, Damage, Extent, Gap, Origin, series_of
from sereno.store.manifest import CORRECTIONS, Content
from sereno.store.objects import LocalObjects, Objects

if TYPE_CHECKING:
    from sereno.core.settings.sections import LakeSettings

_MONTHS_AT_ONCE = 6


class Lake:
    """All candles and facts of one desk. Any number of readers; writers of one series take turns.

    begins   a place that is empty is made a new lake; otherwise only one that is there will do
    """

    def __init__(self, objects: Objects, *, origin: Origin, begins: bool = True) -> None:
        self.origin = origin
        self._objects = objects
        self._tables = Tables()
        self._shelves: dict[str, Shelf] = {}
        if begins:
            lake_mark.make(objects, origin)
        self.ping()

    @property
    def where(self) -> str:
        """Folder or address, for people."""
        return self._objects.where

    @property
    def names(self) -> tuple[str, ...]:
        """What the place is called wherever one stands; one that is known by any of them is this one."""
        return self._objects.names

    def ping(self) -> None:
        """Touch the store. Raises what it raises, or FixConfig when this is no lake of ours."""
        lake_mark.check(self._objects, self.origin)

    def prove_writable(self) -> None:
        """Replace one small object; raises as `ping` does, and what the store raises when it does not let."""
        self.ping()
        self._objects.put(lake_mark.BEAT, b"{}")

    # candles

    def append(self, series: Series, candles: Candles, *, source: str, mode: Mode, now: UtcMs) -> Appended:
        """Store closed candles. Those that are there already change nothing; changed ones are corrections.

        now  moment of the desk; no candle may still be open at it

        Raises SkipThis, storing nothing, when any row is unusable.
        """
        lake_merge.check(series, candles, now)
        if not len(candles):
            return Appended(0, 0)
        shelf = self._candle_shelf(series)
        done = Appended(0, 0)
        with shelf.writing() as manifest:
            rows = lake_table.candle_rows(
                candles, source=source, mode=mode, now=now, newest_ms=manifest.last_ms
            )
            months = list(lake_table.by_month(rows, "open_ms"))
            for start in range(0, len(months), _MONTHS_AT_ONCE):
                done += _append_months(shelf, months[start : start + _MONTHS_AT_ONCE], now)
            self._forget_found(series, shelf)
        return done

    def candles(
        self,
        series: Series,
        since: UtcMs | None = None,
        until: UtcMs | None = None,
        *,
        as_of: UtcMs | None = None,
    ) -> Candles:
        """Candles with since <= open_ms < until, oldest first; None leaves that side open.

        as_of  what was read here right after the last write at or before this moment

        Raises SkipThis when a file that is needed is damaged (see the module).
        """
        if as_of is not None:
            return self.past(series, since, until).as_of(as_of)
        files = _month_files(self._candle_shelf(series), since, until)
        parts = [lake_table.prices_of(data) for data in files]
        table = pl.concat(parts) if parts else CANDLES.empty()
        return lake_table.candle_block(series.timeframe, table).between(since, until)

    def history(self, series: Series) -> History:
        """All of `candles`, to be read again and again: each time at the price of what changed."""
        return History(series.timeframe, self._candle_shelf(series))

    def past(self, series: Series, since: UtcMs | None = None, until: UtcMs | None = None) -> Past:
        """The same candles with how they came to be so; raises as `candles` does."""
        shelf = self._candle_shelf(series)
        parts = [lake_table.from_parquet(data, CANDLES) for data in _month_files(shelf, since, until)]
        rows = lake_table.between(pl.concat([CANDLES.empty(), *parts]), since, until)
        return past_of(series.timeframe, rows, shelf.manifest().lapses, self._correction_rows(shelf))

    def scan(self, series: Series, since: UtcMs | None = None, until: UtcMs | None = None) -> pl.LazyFrame:
        """The same rows as a lazy frame: open_ms, open, high, low, close, volume, source, mode."""
        files = _month_files(self._candle_shelf(series), since, until)
        parts = [pl.scan_parquet(BytesIO(data)).select(SCANNED) for data in files]
        frame = pl.concat([CANDLES.empty().lazy().select(SCANNED), *parts])
        return lake_table.between(frame, since, until)

    def extent(self, series: Series) -> Extent | None:
        """How much is stored; None if nothing is."""
        contents = list(self._candle_shelf(series).settled().contents().values())
        if not contents:
            return None
        return Extent(sum(c.rows for c in contents), contents[0].first_ms, contents[-1].last_ms)

    def series(self) -> tuple[Series, ...]:
        """All series that have candles."""
        found = {series_of(key) for key in self._objects.keys("candles") if key.endswith(".parquet")}
        return tuple(sorted(found))

    def corrections(self, series: Series) -> tuple[Correction, ...]:
        """Every change of a closed candle, in the order in which they were noticed."""
        return lake_merge.corrections_of(self._correction_rows(self._candle_shelf(series)))

    def _correction_rows(self, shelf: Shelf) -> pl.DataFrame:
        data = shelf.read(CORRECTIONS)
        return CORRECTION_ROWS.empty() if data is None else lake_table.from_parquet(data, CORRECTION_ROWS)

    # trust

    def verify(self, series: Series, *, now: UtcMs | None = None) -> tuple[Damage, ...]:
        """Hash every file of a series; damaged ones go to quarantine.

        now   only the newest file is looked at if all were less than a day before; None: always all

        Returns what was damaged, now or earlier, and has not been collected again since.
        """
        return self._candle_shelf(series).verify(now=now)

    def missing(self, series: Series, since: UtcMs, until: UtcMs) -> tuple[Gap, ...]:
        """Holes with since <= open_ms < until between the first and the last candle ever stored.

        Lost ranges count as stored once; holes that the venue is known not to have are left out.
        """
        shelf = self._candle_shelf(series)
        holes = lake_gaps.holes(series, shelf.settled(), shelf.read_table)
        spans = lake_gaps.clipped(holes, since, until, series.timeframe)
        return tuple(Gap(first, last, "missing") for first, last in spans)

    def record_gap(self, series: Series, gap: Gap) -> None:
        """Note a hole that the venue cannot fill, so that it is not asked for in each cycle."""
        self._note_gaps(series, lambda known: lake_gaps.merged((*known, gap), series.timeframe))

    def forget_gap(self, series: Series, gap: Gap) -> None:
        """Take a known gap back: its candles are missing again."""
        self._note_gaps(series, lambda known: tuple(one for one in known if one != gap))

    def known_gaps(self, series: Series) -> tuple[Gap, ...]:
        """Holes that the venue cannot fill."""
        return self._candle_shelf(series).manifest().known_gaps

    # facts

    def append_facts(
        self,
        name: str,
        instrument: Instrument,
        frame: pl.DataFrame,
        *,
        source: str,
        mode: Mode,
        now: UtcMs,
    ) -> int:
        """Store facts (columns ts, known_at, value); how many of them said something new.

        Raises SkipThis, storing nothing, when any row is unusable.
        """
        rows = lake_facts.rows(name, frame, source=source, mode=mode)
        shelf = self._shelf(lake_facts.folder(name, instrument), FACTS)
        added = 0
        with shelf.writing():
            tables: dict[str, pl.DataFrame] = {}
            for month, new in lake_table.by_month(rows, "ts"):
                old = shelf.table(month)
                table = lake_facts.merge(old, new, now)
                if table is not None:
                    tables[month] = table
                    added += table.height - old.height
            if tables:
                shelf.write(tables, now)
                shelf.forget_lost(lambda damage: lake_table.month_of(damage.first_ms) not in tables)
        return added

    def facts(
        self,
        name: str,
        instrument: Instrument,
        since: UtcMs | None = None,
        until: UtcMs | None = None,
        known_at: UtcMs | None = None,
    ) -> pl.DataFrame:
        """Facts with since <= ts < until (columns ts, known_at, value), one a moment.

        known_at  only what was known then; None: what is known now
        """
        shelf = self._shelf(lake_facts.folder(name, instrument), FACTS)
        parts = [lake_table.from_parquet(data, FACTS) for data in _month_files(shelf, since, until)]
        return lake_facts.visible(pl.concat([FACTS.empty(), *parts]), since, until, known_at)

    def verify_facts(self, name: str, instrument: Instrument) -> tuple[Damage, ...]:
        """As `verify`, for facts; a lost month is crossed out once facts of it were stored again."""
        return self._shelf(lake_facts.folder(name, instrument), FACTS).verify()

    def _note_gaps(self, series: Series, change: Callable[[tuple[Gap, ...]], tuple[Gap, ...]]) -> None:
        shelf = self._candle_shelf(series)
        with shelf.writing() as manifest:
            if (gaps := change(manifest.known_gaps)) != manifest.known_gaps:
                shelf.note(replace(manifest, known_gaps=gaps))
            self._forget_found(series, shelf)

    def _candle_shelf(self, series: Series) -> Shelf:
        where = series.instrument
        return self._shelf(f"candles/{where.venue}/{where.market}/{where.slug}/{series.timeframe}", CANDLES)

    def _shelf(self, folder: str, shape: lake_table.Shape) -> Shelf:
        if folder not in self._shelves:
            self._shelves[folder] = Shelf(self._objects, folder, shape, self._tables, self.ping)
        return self._shelves[folder]

    def _forget_found(self, series: Series, shelf: Shelf) -> None:
        """Cross out lost ranges of which nothing is missing any more."""
        manifest = shelf.manifest()
        if not manifest.lost:
            return
        holes = lake_gaps.holes(series, manifest, shelf.table)

        def still_lost(damage: Damage) -> bool:
            return bool(lake_gaps.clipped(holes, damage.first_ms, damage.last_ms + 1, series.timeframe))

        shelf.forget_lost(still_lost)


def open_lake(
    settings: LakeSettings,
    folder: Path,
    *,
    origin: Origin,
    known_at: Collection[str] = (),
    begins: bool = True,
) -> Lake:
    """The lake at `settings.url`, or in `folder` when that is empty.

    known_at   names of where it lay when it was last open: there no new one is begun
    begins     elsewhere a place that is empty is made a new lake

    Raises FixConfig for an address that is neither a folder nor s3://, for a lake of another origin, and for
    one that is gone.
    """
    objects = _objects_at(settings, folder)
    known = not {objects.where, *objects.names}.isdisjoint(known_at)  # older notes hold `where`
    return Lake(objects, origin=origin, begins=begins and not known)


def _objects_at(settings: LakeSettings, folder: Path) -> Objects:
    url = settings.url
    if url.startswith("s3://"):
        from sereno.store.objects_s3 import S3Objects

        return S3Objects(url, endpoint=settings.s3_endpoint, region=settings.s3_region)
    if "://" in url:
        raise FixConfig("lake.url", remedy="write a folder or s3://bucket/prefix", url=url)
    return LocalObjects(Path(url).expanduser().absolute() if url else folder)


def _append_months(shelf: Shelf, months: list[tuple[str, pl.DataFrame]], now: UtcMs) -> Appended:
    """One transaction on the disk."""
    tables: dict[str, pl.DataFrame] = {}
    done = Appended(0, 0)
    told = [CORRECTION_ROWS.empty()]
    for month, new in months:
        merged = lake_merge.merge(shelf.table(month), new, now)
        told.append(merged.corrections)
        done = replace(done, added=done.added + merged.added, unchanged=done.unchanged + merged.unchanged)
        if merged.table is not None:
            tables[month] = merged.table
    corrections = pl.concat(told)
    if corrections.height:
        tables[CORRECTIONS] = pl.concat([shelf.table(CORRECTIONS, CORRECTION_ROWS), corrections])
    if tables:
        shelf.write(tables, now)
    return replace(done, corrections=lake_merge.corrections_of(corrections))


def _month_files(shelf: Shelf, since: UtcMs | None, until: UtcMs | None) -> list[bytes]:
    """Checked bytes of the months that may hold rows of a range, oldest first."""

    def wanted(content: Content) -> bool:
        after = since is None or content.last_ms >= since
        return after and (until is None or content.first_ms < until)

    return shelf.read_months(wanted)
