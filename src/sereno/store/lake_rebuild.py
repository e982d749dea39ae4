"""What to do with files that cannot be trusted, and with trusted files whose manifest cannot."""

from __future__ import annotations

import re
from hashlib import sha256

import polars as pl

from sereno.core.timeframe import UtcMs
from sereno.store import lake_table
from sereno.store.lake_table import CORRECTION_ROWS, Shape
from sereno.store.lake_words import Damage
from sereno.store.manifest import CORRECTIONS, MANIFEST, Manifest, Slot
from sereno.store.objects import Objects

QUARANTINE = "quarantine"
NO_RANGE: tuple[UtcMs, UtcMs] = (0, -1)
_MONTH = re.compile(r"\d{4}-\d{2}")


def file_names(objects: Objects, folder: str) -> tuple[str, ...]:
    """Names of the Parquet files in a folder that bear a name of ours."""
    names = (key.removeprefix(f"{folder}/") for key in objects.keys(folder))
    stems = (name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))
    return tuple(stem for stem in stems if stem == CORRECTIONS or _MONTH.fullmatch(stem))


def put_aside(objects: Objects, folder: str, name: str, span: tuple[UtcMs, UtcMs]) -> Damage:
    """Move a file that cannot be trusted into quarantine; `span` is what has to be collected again."""
    key = f"{folder}/{name}.parquet"
    stored = objects.get(key)
    if stored is None:
        return Damage(key, "the file is gone", "", *span)
    kept_as = f"{QUARANTINE}/{folder}/{name}.{sha256(stored.data).hexdigest()[:12]}.parquet"
    objects.move(key, kept_as)
    return Damage(key, "the content is not what was written", kept_as, *span)


def rebuilt(objects: Objects, folder: str, shape: Shape) -> Manifest:
    """A manifest from the files themselves: each carries a digest of its columns and its provenance."""
    key = f"{folder}/{MANIFEST}"
    broken = objects.get(key)
    kept_as = ""
    if broken is not None:
        kept_as = f"{QUARANTINE}/{folder}/{sha256(broken.data).hexdigest()[:12]}.{MANIFEST}"
        objects.put(kept_as, broken.data)
    fault = "the manifest was broken" if broken else "the manifest was gone"
    manifest = Manifest(
        lost=(Damage(key, f"{fault}; known gaps and lapses are forgotten", kept_as, *NO_RANGE),)
    )
    for name in file_names(objects, folder):
        manifest = _adopted(objects, folder, name, shape, manifest)
    return manifest


def standing(corrections: pl.DataFrame, before: int, undone: set[str]) -> pl.DataFrame:
    """Corrections without those that a killed writer noted (after the first `before`) for `undone` months."""
    months = (lake_table.month_of(at) for at in corrections["open_ms"])
    keep = [row < before or month not in undone for row, month in enumerate(months)]
    return corrections.filter(pl.Series(keep, dtype=pl.Boolean))


def _adopted(objects: Objects, folder: str, name: str, shape: Shape, manifest: Manifest) -> Manifest:
    stored = objects.get(f"{folder}/{name}.parquet")
    if stored is None:
        return manifest
    table = lake_table.salvage(stored.data, CORRECTION_ROWS if name == CORRECTIONS else shape)
    if table is not None:
        content = lake_table.content_of(table, stored.data, stamp=shape.stamp, written_ms=0)
        return manifest.with_slot(name, Slot(content))
    first_ms, after_ms = (0, 0) if name == CORRECTIONS else lake_table.month_span(name)
    damage = put_aside(objects, folder, name, (first_ms, after_ms - 1))
    return manifest.bereft(name, damage)
