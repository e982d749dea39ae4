"""What serves is what the registry's pointers say; the ledger repeats it, and may be behind after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SkipThis
from sereno.store.ledger import model_versions
from sereno.store.ledger.model_versions import ModelVersion

if TYPE_CHECKING:
    from sereno.ops.app import Desk
    from sereno.store.registry import ModelManifest, Pointer

_log = structlog.get_logger("sereno.models")
MOST = 10_000


def ledger_line(manifest: ModelManifest) -> ModelVersion:
    """What the ledger keeps of a version; whether it serves is marked apart."""
    return ModelVersion(
        version=manifest.version,
        role=manifest.role,
        series_key=manifest.series_key,
        created_ms=manifest.created_ms,
        serving=False,
        refused_reason=manifest.refused_reason,
        metrics=manifest.metrics,
        manifest_sha256=manifest.sha256,
        saved_wall_ms=manifest.saved_wall_ms,
    )


def pointers(desk: Desk) -> Mapping[str, Pointer]:
    """By key of the traded series; a damaged one says nothing."""
    found = {}
    for series in desk.series:
        try:
            found[series.key] = desk.registry.pointer(series)
        except SkipThis as cause:
            _log.warning("models.unreadable_pointer", series=series.key, reason=str(cause))
    return found


def correct_ledger(desk: Desk) -> tuple[str, ...]:
    """Let the ledger say what the pointers say; the versions about which it was behind.

    A training that is killed between the two leaves it so. Costs one small file a series where nothing is wrong.
    """
    with desk.ledger.read() as tx:
        marked = {model.version for model in model_versions.recent(tx, MOST, serving=True)}
    behind, told = [], pointers(desk)
    for series in (one for one in desk.series if one.key in told):
        for role, version in told[series.key].versions.items():
            manifests = [] if version in marked else desk.registry.versions(role, series)
            for manifest in (one for one in manifests if one.version == version):
                with desk.ledger.begin() as tx:
                    model_versions.save(tx, ledger_line(manifest))
                    model_versions.mark_serving(tx, role, series.key, version)
                behind.append(version)
    if behind:
        _log.info("models.ledger_corrected", versions=behind)
    return tuple(behind)
