"""Every model that was trained: served or refused, and with what figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Column, ColumnElement, Index, Table, Text, TypedColumns, select, update

from sereno.core.errors import StopTrading
from sereno.core.timeframe import UtcMs
from sereno.store.ledger.columns import Flag, Json, Tx, metadata, whole
from sereno.store.ledger.rows import put


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """The ledger's line about one version in the registry. `refused_reason` is None when it may serve.

    saved_wall_ms   the host's time when the registry saved it; 0 where an older release did
    """

    version: str
    role: str
    series_key: str
    created_ms: UtcMs
    serving: bool
    refused_reason: str | None
    metrics: Mapping[str, object]
    manifest_sha256: str
    saved_wall_ms: UtcMs = 0


class ModelVersionColumns(TypedColumns):
    """One row a version of a role for a series."""

    role = Column(Text, primary_key=True)
    series_key = Column(Text, primary_key=True)
    version = Column(Text, primary_key=True)
    created_ms = Column(whole, nullable=False)
    serving = Column(Flag, nullable=False)
    refused_reason = Column(Text)
    metrics = Column(Json, nullable=False)
    manifest_sha256 = Column(Text, nullable=False)
    saved_wall_ms = Column(whole, nullable=False, server_default="0")


table = Table(
    "model_versions",
    metadata,
    ModelVersionColumns,
    Index("model_versions_by_time", "created_ms"),
    sqlite_strict=True,
)


def save(tx: Tx, model: ModelVersion) -> None:
    """Keep a version; the newest word about it counts."""
    put(tx, table, asdict(model))


def mark_serving(tx: Tx, role: str, series_key: str, version: str) -> None:
    """Note that this version serves its role and series, and no other."""
    c = table.c
    here = (c.role == role) & (c.series_key == series_key)
    tx.execute(update(table).where(here, c.version != version, c.serving).values(serving=False))
    if not tx.execute(update(table).where(here, c.version == version).values(serving=True)).rowcount:
        raise StopTrading("model_version.unknown", role=role, series=series_key, version=version)


def recent(
    tx: Tx,
    limit: int = 50,
    *,
    role: str | None = None,
    series_key: str | None = None,
    serving: bool | None = None,
) -> list[ModelVersion]:
    """The newest first; the host's time orders those of one moment of the desk."""
    c = table.c
    newest_first = (c.created_ms.desc(), c.saved_wall_ms.desc(), c.version.desc(), c.role)
    wanted = select(table).order_by(*newest_first).limit(limit)
    wanted = wanted if role is None else wanted.where(c.role == role)
    wanted = wanted if series_key is None else wanted.where(c.series_key == series_key)
    wanted = wanted if serving is None else wanted.where(c.serving == serving)
    return [ModelVersion(**row._mapping) for row in tx.execute(wanted).all()]


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Versions made before a moment that do not serve."""
    return (table.c.created_ms < before_ms) & ~table.c.serving
