"""What a folder of Parquet files should hold, file by file, and what is about to be written.

One writer replaces a file in three steps: the manifest with the coming content as `pending`, the
file, the manifest with that content as `current`. A kill between any two leaves a file that equals
`current` or `pending`, so readers accept either and the next writer settles which it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from sereno.core.errors import FixConfig
from sereno.core.timeframe import UtcMs
from sereno.store.lake_words import Damage, Gap, Lapse

MANIFEST = "manifest.json"
CORRECTIONS = "corrections"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Content:
    """One version of one file. `source` and `mode` list every provenance of its rows."""

    rows: int
    first_ms: UtcMs
    last_ms: UtcMs
    sha256: str
    source: tuple[str, ...]
    mode: tuple[str, ...]
    written_ms: UtcMs


@dataclass(frozen=True, slots=True)
class Slot:
    """The accepted content of one file, and the one that a writer may just have put there."""

    current: Content | None
    pending: Content | None = None

    def matching(self, digest: str) -> Content | None:
        """The content that has this digest."""
        for content in (self.pending, self.current):
            if content is not None and content.sha256 == digest:
                return content
        return None

    @property
    def claim(self) -> Content | None:
        """What the file may hold at most: files only grow."""
        return self.pending or self.current


@dataclass(frozen=True, slots=True)
class Manifest:
    """One folder: its files by name (`2024-01`, `corrections`), what was lost, what nobody has.

    lost      ranges that wait to be collected again
    lapses    every range that was ever lost, in the order of the losses
    verified_ms   when all files were last hashed for that alone; 0: never
    """

    files: Mapping[str, Slot] = field(default_factory=dict)
    lost: tuple[Damage, ...] = ()
    known_gaps: tuple[Gap, ...] = ()
    lapses: tuple[Lapse, ...] = ()
    corrections_before: int = 0
    verified_ms: UtcMs = 0

    @property
    def unsettled(self) -> bool:
        """Whether a writer was cut off, or is at work now."""
        return any(slot.pending is not None for slot in self.files.values())

    def contents(self) -> dict[str, Content]:
        """Accepted contents of the month files, oldest first."""
        known = {name: slot.current for name, slot in sorted(self.files.items()) if name != CORRECTIONS}
        return {name: content for name, content in known.items() if content is not None}

    @property
    def last_ms(self) -> UtcMs | None:
        """The newest accepted stamp; None if there is none."""
        return max((content.last_ms for content in self.contents().values()), default=None)

    def with_slot(self, name: str, slot: Slot | None) -> Manifest:
        """The manifest with one file replaced, or taken out."""
        files = {key: value for key, value in self.files.items() if key != name}
        if slot is not None:
            files[name] = slot
        return replace(self, files=files)

    def bereft(self, name: str, damage: Damage) -> Manifest:
        """The manifest without a file that could not be trusted, its range noted as lost."""
        lapses = (Lapse(damage.first_ms, damage.last_ms, None),) if damage.has_range else ()
        kept = self.with_slot(name, None)
        return replace(kept, lost=(*self.lost, damage), lapses=(*self.lapses, *lapses))

    def dated(self, now: UtcMs) -> Manifest:
        """The manifest with the losses since the last write dated: whoever met them had no clock."""
        known = (replace(one, gone_ms=now) if one.gone_ms is None else one for one in self.lapses)
        return replace(self, lapses=tuple(known))


def encode(manifest: Manifest) -> bytes:
    """JSON that carries its own digest."""
    body = json.dumps(asdict(manifest) | {"format": FORMAT}, sort_keys=True, separators=(",", ":"))
    return f'{{"sha256":"{sha256(body.encode()).hexdigest()}","manifest":{body}}}\n'.encode()


def decode(data: bytes) -> Manifest | None:
    """The manifest, or None if these bytes are not exactly what `encode` wrote, in this format or an older.

    Raises FixConfig for a newer one: to take it for broken would put a sound lake in quarantine.
    """
    head, mark, rest = data.partition(b',"manifest":')
    body = rest.removesuffix(b"}\n")
    if not mark or head != b'{"sha256":"' + sha256(body).hexdigest().encode() + b'"':
        return None
    return _manifest(json.loads(body))


def refuse_newer(found: int, where: str) -> None:
    """Raises FixConfig when the lake was written by a newer program."""
    if found > FORMAT:
        remedy = "a newer Sereno has written this lake: run that one, or name another in lake.url"
        raise FixConfig("lake.newer_format", remedy=remedy, where=where, found=found, known=FORMAT)


def _manifest(body: dict[str, Any]) -> Manifest:
    refuse_newer(body["format"], MANIFEST)
    return Manifest(
        files={
            name: Slot(_content(slot["current"]), _content(slot["pending"]))
            for name, slot in body["files"].items()
        },
        lost=tuple(Damage(**row) for row in body["lost"]),
        known_gaps=tuple(Gap(**row) for row in body["known_gaps"]),
        lapses=tuple(Lapse(**row) for row in body.get("lapses", ())),
        corrections_before=body["corrections_before"],
        verified_ms=body.get("verified_ms", 0),
    )


def _content(row: dict[str, Any] | None) -> Content | None:
    if row is None:
        return None
    return Content(**(row | {"source": tuple(row["source"]), "mode": tuple(row["mode"])}))
