"""What the registry keeps of a training, told like one that has just ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.models.contract import Role
from sereno.models.gate import Choice
from sereno.models.trained import Origins, RoleReport, TrainReport
from sereno.store.registry import ModelManifest, Pointer, Registry

EVALUATION_FILE = "evaluation.json"
TOLD = {"choice", "champion", "mean_verdict", "tuning"}


def kept_role(
    registry: Registry, role: Role, series: Series, *, origins: Origins | None = None
) -> RoleReport | None:
    """The role as a training left it; None when that is not whole, or an older release judged it otherwise.

    origins   of which training; None: the newest
    """
    versions = registry.versions(role, series)
    wanted = _origin(origins) if origins is not None else _newest_origin(versions)
    found = {str(m.extra.get("kind")): m for m in versions if _origin(m) == wanted}
    if not {"baseline", "boosted"} <= set(found):
        return None
    trees, baseline = found["boosted"], found["baseline"]
    try:
        kept = [registry.load(role, series, manifest.version) for manifest in (baseline, trees)]
    except SkipThis:
        return None
    if any(artefact.fell_back_from for artefact in kept):
        return None
    evaluation = json.loads(kept[1].files.get(EVALUATION_FILE, b"{}"))
    if not set(evaluation) >= TOLD:
        return None
    choice = chosen_of(registry, series, evaluation, trees, baseline)
    return RoleReport(role, choice, choice, trees, baseline, True, evaluation)


def _origin(origins: Origins | ModelManifest) -> tuple[str, str, str]:
    return origins.data_digest, origins.settings_digest, origins.git_commit


def _newest_origin(versions: tuple[ModelManifest, ...]) -> tuple[str, str, str] | None:
    trees = [manifest for manifest in versions if manifest.extra.get("kind") == "boosted"]
    return _origin(trees[-1]) if trees else None


def chosen_of(
    registry: Registry,
    series: Series,
    evaluation: Mapping[str, Any],
    trees: ModelManifest,
    baseline: ModelManifest,
) -> ModelManifest:
    """The version that the gate chose; the baseline in place of a champion that has been lost since."""
    match Choice(evaluation["choice"]):
        case Choice.CHALLENGER:
            return trees
        case Choice.CHAMPION:
            version = evaluation["champion"]["version"]
            return _known(registry, trees.role, series, version, otherwise=baseline)
        case Choice.BASELINE:
            return baseline


def as_served(registry: Registry, series: Series, report: RoleReport, pointer: Pointer) -> RoleReport:
    """The report with what the pointer says, which a person may hold."""
    version = pointer.versions[report.role]
    served = _known(registry, report.role, series, version, otherwise=report.chosen)
    return replace(report, served=served, pin=pointer.pins.get(report.role))


def _known(
    registry: Registry, role: str, series: Series, version: str, *, otherwise: ModelManifest
) -> ModelManifest:
    kept = (m for m in registry.versions(role, series) if m.version == version)
    return next(kept, otherwise)


def on_record(registry: Registry, series: Series) -> TrainReport | None:
    """The newest training of each role that serves, as the registry keeps it; None when nothing does.

    Raises SkipThis when the pointer is damaged.
    """
    pointer = registry.pointer(series)
    found = [kept_role(registry, role, series) for role in Role if role in pointer.versions]
    roles = tuple(
        replace(as_served(registry, series, report, pointer), fresh=False) for report in found if report
    )
    if not roles:
        return None
    newest = max((report.trees for report in roles), key=lambda trees: trees.created_ms)
    return TrainReport(
        series=series,
        created_ms=newest.created_ms,
        rows=0,
        data_digest=newest.data_digest,
        settings_digest=newest.settings_digest,
        git_commit=newest.git_commit,
        roles=roles,
        fold=None,
    )


def completed(report: TrainReport, record: TrainReport | None) -> TrainReport:
    """The report, with those roles from the record that were not trained this time."""
    trained = {role.role: role for role in report.roles}
    kept = {role.role: role for role in record.roles} if record is not None else {}
    roles = {**kept, **trained}
    return replace(report, roles=tuple(roles[role] for role in Role if role in roles))
