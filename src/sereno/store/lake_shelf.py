"""One folder of month files with its manifest: reading, replacing, checking.

Readers take no lock. What they read is checked against the manifest's digests; when a writer is at
work they may meet a file newer than their manifest, and look again. Only when the lock is theirs
and file and manifest still disagree is the file damaged: it is moved to `quarantine/`, its range is
noted in the manifest as lost, and stays noted until it has been collected again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from hashlib import sha256

import polars as pl

from sereno.core.errors import SkipThis
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.store import lake_table
from sereno.store.lake_rebuild import NO_RANGE, file_names, put_aside, rebuilt, standing
from sereno.store.lake_table import CORRECTION_ROWS, Shape, Tables
from sereno.store.lake_words import Damage
from sereno.store.manifest import CORRECTIONS, MANIFEST, Content, Manifest, Slot, decode, encode
from sereno.store.objects import Objects, Stamp, Stored

VERIFY_EVERY_MS = DAY_MS
_LOOKS = 3


class Shelf:
    """The files of one series, or of one kind of fact about one instrument.

    prove   raises when this is no lake of ours; asked before anything is written
    """

    def __init__(
        self, objects: Objects, folder: str, shape: Shape, tables: Tables, prove: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.shape = shape
        self._objects = objects
        self._tables = tables
        self._prove = prove
        self._digests: dict[str, tuple[Stamp, str]] = {}
        self._parsed: tuple[bytes, Manifest] = (b"", Manifest())
        self._swept = False

    # reading

    def manifest(self) -> Manifest:
        """What the folder holds. A manifest that is lost or broken is made again from the files."""
        found = self._manifest_or_none()
        if found is not None:
            return found
        with self._lock():
            return self._manifest_locked()

    def settled(self) -> Manifest:
        """The manifest without pending contents: those that arrived are accepted, the others dropped."""
        manifest = self.manifest()
        if not manifest.unsettled:
            return manifest
        return replace(manifest, files=self._arrivals(manifest))

    def read(self, name: str) -> bytes | None:
        """Checked bytes of one file; None if there is none.

        Raises SkipThis when the file is damaged. It is in quarantine then: the next read goes on
        without it, and the hole shows in the lost ranges until it has been filled.
        """
        for _ in range(_LOOKS):
            slot = self.manifest().files.get(name)
            if slot is None:
                return None
            stored = self._objects.get(self._key(name))
            if stored is None and slot.current is None:
                return None
            if stored is not None and slot.matching(self._digest(name, stored)):
                return stored.data
        with self._lock():
            manifest = self._recovered()
            data = self._vouched(name, manifest)
            if data is not None or name not in manifest.files:
                return data
            damage = self._quarantine(name, manifest)
        raise SkipThis(
            "lake.damaged",
            remedy="the file is in quarantine; its range will be collected again",
            file=damage.file,
            fault=damage.reason,
        )

    def read_months(self, wanted: Callable[[Content], bool]) -> list[bytes]:
        """Checked bytes of the months whose contents may be wanted, oldest first, all of one moment.

        A writer replaces months oldest first, hence they are read newest first: whoever sees the
        later one new sees the earlier one new, and no hole where there is none. Raises as `read` does.
        """
        for _ in range(_LOOKS):
            manifest = self.manifest()
            names = reversed(_names(manifest, wanted))
            found = [self._vouched(name, manifest) or self.read(name) for name in names]
            if self.manifest() == manifest:
                return [data for data in reversed(found) if data is not None]
        with self._lock():
            manifest = self._recovered()
            held = {name: self._vouched(name, manifest) for name in _names(manifest, wanted)}
        return [data for name, had in held.items() if (data := had or self.read(name)) is not None]

    def read_table(self, name: str) -> pl.DataFrame:
        """Checked rows of one file; raises as `read` does."""
        data = self.read(name)
        return self.shape.empty() if data is None else lake_table.from_parquet(data, self.shape)

    def verify(self, *, now: UtcMs | None = None) -> tuple[Damage, ...]:
        """Hash every file and quarantine the damaged; all ranges that wait to be collected again.

        now   only the newest month is looked at if all were less than a day before; None: always all

        Damage without a range (a broken manifest, lost corrections) is told once.
        """
        with self._lock():
            manifest = self._recovered()
            whole = now is None or not 0 <= now - manifest.verified_ms < VERIFY_EVERY_MS
            for name in tuple(manifest.files) if whole else _names(manifest, lambda _: True)[-1:]:
                self._digests.pop(name, None)
                if self._vouched(name, manifest) is None:
                    self._quarantine(name, manifest)
                    manifest = self._manifest_locked()
            told = manifest.lost
            noted = replace(manifest, lost=tuple(damage for damage in told if damage.has_range))
            if whole and now is not None and manifest.files:
                noted = replace(noted, verified_ms=now)
            if noted != manifest:
                self.note(noted)
            return told

    # writing

    @contextmanager
    def writing(self) -> Iterator[Manifest]:
        """Hold the folder alone, with everything settled that a killed writer left open."""
        with self._lock():
            yield self._recovered()

    def table(self, name: str, shape: Shape | None = None) -> pl.DataFrame:
        """Rows of one file, to add to, inside `writing`; a damaged file is quarantined and counts as empty."""
        manifest = self._manifest_locked()
        slot = manifest.files.get(name)
        if slot is None or slot.current is None:
            return (shape or self.shape).empty()
        kept = self._tables.get(slot.current.sha256)
        if kept is not None:
            return kept
        data = self._vouched(name, manifest)
        if data is None:
            self._quarantine(name, manifest)
            return (shape or self.shape).empty()
        return lake_table.from_parquet(data, shape or self.shape)

    def write(self, tables: Mapping[str, pl.DataFrame], now: UtcMs) -> None:
        """Replace files by these tables, inside `writing`; durable when it returns.

        A kill at any moment leaves each file old or new, and readable. Corrections go first, so that
        an old value is on the disk before the new one takes its place.
        """
        manifest = self._manifest_locked()
        before = manifest.files.get(CORRECTIONS, Slot(None)).current
        manifest = replace(manifest.dated(now), corrections_before=before.rows if before else 0)
        written: dict[str, tuple[bytes, Content]] = {}
        for name in sorted(tables, key=lambda name: (name != CORRECTIONS, name)):
            written[name] = lake_table.to_parquet(tables[name], stamp=self.shape.stamp, now=now)
            current = manifest.files.get(name, Slot(None)).current
            manifest = manifest.with_slot(name, Slot(current, written[name][1]))
        self._put_manifest(manifest)
        for name, (data, content) in written.items():
            self._objects.put(self._key(name), data)
            manifest = manifest.with_slot(name, Slot(content))
        self._put_manifest(manifest)
        for name, (_, content) in written.items():
            self._tables.keep(content.sha256, tables[name])

    def note(self, manifest: Manifest) -> None:
        """Replace the manifest's notes (lost ranges, known gaps), inside `writing`."""
        self._put_manifest(manifest)

    def forget_lost(self, still_lost: Callable[[Damage], bool]) -> None:
        """Cross out lost ranges that have been collected again, inside `writing`."""
        manifest = self._manifest_locked()
        lost = tuple(damage for damage in manifest.lost if not damage.has_range or still_lost(damage))
        if lost != manifest.lost:
            self._put_manifest(replace(manifest, lost=lost))

    # settling, under the lock

    def _lock(self) -> AbstractContextManager[None]:
        """All writes happen under it. Its open file then keeps the disk from being unmounted."""
        self._prove()
        return self._objects.lock(f"{self.folder}/writer")

    def _recovered(self) -> Manifest:
        """The manifest, after what a killed writer left open has been settled."""
        manifest = self._manifest_locked()
        if manifest.unsettled or not self._swept:
            self._objects.sweep(self.folder)
            self._swept = True
        if not manifest.unsettled:
            return manifest
        files = self._arrivals(manifest)
        undone = {
            name for name, slot in manifest.files.items() if slot.pending and not _came(slot, files.get(name))
        }
        manifest = self._without_corrections_of(undone, manifest, files)
        self._put_manifest(manifest)
        return manifest

    def _arrivals(self, manifest: Manifest) -> dict[str, Slot]:
        newest_first = sorted(manifest.files.items(), reverse=True)  # for the reason that `read_months` gives
        settled = ((name, self._arrived(name, slot)) for name, slot in newest_first)
        return {name: slot for name, slot in settled if slot is not None}

    def _arrived(self, name: str, slot: Slot) -> Slot | None:
        """The slot as the file on the disk says; None if its first version never came."""
        if slot.pending is None:
            return slot
        stored = self._objects.get(self._key(name))
        if stored is None:
            return Slot(slot.current) if slot.current else None
        return Slot(slot.matching(self._digest(name, stored)) or slot.pending)

    def _without_corrections_of(
        self, undone: set[str], manifest: Manifest, files: dict[str, Slot]
    ) -> Manifest:
        """Take back corrections that were written down for month files whose new version never came."""
        settled = replace(manifest, files=files)
        data = self._vouched(CORRECTIONS, settled) if CORRECTIONS in files else None
        if data is None:
            return settled
        told = lake_table.from_parquet(data, CORRECTION_ROWS)
        kept = standing(told, manifest.corrections_before, undone)
        if kept.height == told.height:
            return settled
        if kept.height == 0:
            return settled.with_slot(CORRECTIONS, None)
        now = max(kept["noticed_ms"])
        data, content = lake_table.to_parquet(kept, stamp="open_ms", now=now)
        self._put_manifest(manifest.with_slot(CORRECTIONS, Slot(files[CORRECTIONS].current, content)))
        self._objects.put(self._key(CORRECTIONS), data)
        return settled.with_slot(CORRECTIONS, Slot(content))

    def _vouched(self, name: str, manifest: Manifest) -> bytes | None:
        """Bytes of a file if they are what the manifest says."""
        stored = self._objects.get(self._key(name))
        slot = manifest.files.get(name)
        if stored is None or slot is None or not slot.matching(self._digest(name, stored)):
            return None
        return stored.data

    def _digest(self, name: str, stored: Stored) -> str:
        known = self._digests.get(name)
        if known is not None and stored.stamp is not None and known[0] == stored.stamp:
            return known[1]
        digest = sha256(stored.data).hexdigest()
        if stored.stamp is not None:
            self._digests[name] = (stored.stamp, digest)
        return digest

    # quarantine and rebuilding, under the lock

    def _quarantine(self, name: str, manifest: Manifest) -> Damage:
        """Move a damaged file away, keep it, and note its range as lost."""
        slot = manifest.files[name]
        span = (slot.claim.first_ms, slot.claim.last_ms) if slot.claim else lake_table.month_span(name)
        damage = put_aside(self._objects, self.folder, name, NO_RANGE if name == CORRECTIONS else span)
        self._put_manifest(manifest.bereft(name, damage))
        return damage

    def _manifest_or_none(self) -> Manifest | None:
        stored = self._objects.get(f"{self.folder}/{MANIFEST}")
        if stored is None:
            return None if file_names(self._objects, self.folder) else Manifest()
        data, manifest = self._parsed
        if data == stored.data:
            return manifest
        decoded = decode(stored.data)
        if decoded is not None:
            self._parsed = (stored.data, decoded)
        return decoded

    def _manifest_locked(self) -> Manifest:
        found = self._manifest_or_none()
        if found is None:
            found = rebuilt(self._objects, self.folder, self.shape)
            self._put_manifest(found)
        return found

    def _put_manifest(self, manifest: Manifest) -> None:
        data = encode(manifest)
        self._objects.put(f"{self.folder}/{MANIFEST}", data)
        self._parsed = (data, manifest)

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}.parquet"


def _came(before: Slot, after: Slot | None) -> bool:
    return after is not None and before.pending is not None and after.current == before.pending


def _names(manifest: Manifest, wanted: Callable[[Content], bool]) -> list[str]:
    months = (item for item in sorted(manifest.files.items()) if item[0] != CORRECTIONS)
    return [name for name, slot in months if slot.claim is not None and wanted(slot.claim)]
