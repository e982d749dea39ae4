"""Training the roles of one series, and keeping what came out.

Both the trees and the baseline of a role become versions in the registry; then what the gate chose of every role
becomes current in one step, but for roles that a person pinned. A role that was already trained on the same data,
with the same settings, by the same commit is not trained again, and a search for parameters that was interrupted
is not begun again, so an interrupted training goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.ids import digest_of
from sereno.core.instrument import Series
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import UtcMs
from sereno.models.champion import champion_of
from sereno.models.contract import Frame, Progress, Role, silent
from sereno.models.dataset import Dataset, Outcomes, join
from sereno.models.gate import Choice, Duel, NoDuel
from sereno.models.kept import EVALUATION_FILE, as_served, chosen_of, kept_role
from sereno.models.learn import Learned, learn
from sereno.models.outlook import Outlook
from sereno.models.taught import peer_rows, rows_of
from sereno.models.trained import Origins, RoleReport, TrainReport
from sereno.models.walkforward import Fold, walk_rows
from sereno.store.registry import ModelManifest, Registry

__all__ = [
    "EVALUATION_FILE",
    "Origins",
    "RoleReport",
    "TrainReport",
    "data_digest",
    "label_params",
    "settings_digest",
    "train_rows",
    "train_series",
]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One training of one series: its own rows, those of its peers, and where its models go."""

    series: Series
    data: Dataset
    peers: Sequence[Dataset]
    models: ModelSettings
    origins: Origins
    registry: Registry
    searches: Path | None
    progress: Progress


def train_series(
    series: Series,
    candles: Candles,
    *,
    models: ModelSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    registry: Registry,
    peers: Sequence[Candles] = (),
    roles: Sequence[Role] = tuple(Role),
    now: UtcMs,
    git_commit: str,
    searches: Path | None = None,
    progress: Progress = silent,
) -> TrainReport:
    """Train roles on closed candles and make the chosen versions current.

    peers      candles of other series of the timeframe, from which the trees learn as well
    searches   folder in which searches for parameters keep their trials; they go on with those found there
    progress   is told ("BTC_USDT 1h trend", done, total)
    Raises SkipThis: `models.empty_history`, `models.short_history`, `models.too_few_rows`.
    """
    if not len(candles):
        raise SkipThis("models.empty_history", remedy="collect candles first", series=series.key)
    frame, labels = rows_of(candles, barriers=barriers, costs=costs)
    origins = Origins(
        created_ms=now,
        git_commit=git_commit,
        data_digest=data_digest(candles, peers),
        settings_digest=settings_digest(models, barriers, costs),
        label_params=label_params(barriers, costs),
    )
    return train_rows(
        series,
        frame,
        labels,
        models=models,
        origins=origins,
        registry=registry,
        peers=peer_rows(peers, barriers=barriers, costs=costs),
        roles=roles,
        searches=searches,
        progress=progress,
    )


def train_rows(
    series: Series,
    frame: Frame,
    labels: Outcomes,
    *,
    models: ModelSettings,
    origins: Origins,
    registry: Registry,
    peers: Sequence[Dataset] = (),
    roles: Sequence[Role] = tuple(Role),
    searches: Path | None = None,
    progress: Progress = silent,
) -> TrainReport:
    """`train_series` from features and labels that are already there."""
    horizon_bars = int(origins.label_params["horizon_bars"])
    data = join(frame, labels, timeframe=series.timeframe, horizon_bars=horizon_bars)
    task = _Task(series, data, peers, models, origins, registry, searches, progress)
    reports = tuple(
        kept_role(registry, role, series, origins=origins) or _trained(task, role) for role in roles
    )
    pointer = registry.publish(series, {report.role: report.chosen.version for report in reports})
    fold, fault = _rehearsed(task, frame, labels, roles)
    return TrainReport(
        series=series,
        created_ms=origins.created_ms,
        rows=len(data),
        data_digest=origins.data_digest,
        settings_digest=origins.settings_digest,
        git_commit=origins.git_commit,
        roles=tuple(as_served(registry, series, report, pointer) for report in reports),
        fold=fold,
        fault=fault,
    )


def data_digest(candles: Candles, peers: Sequence[Candles]) -> str:
    """Of all candles that shape a model; that of its own alone where there are no others."""
    own = candles.digest()
    return digest_of([own, *sorted(peer.digest() for peer in peers)]) if peers else own


def settings_digest(models: ModelSettings, barriers: BarrierSettings, costs: CostSettings) -> str:
    """Of everything that shapes a model; when a model counts as old does not."""
    shape = models.model_dump(mode="json", exclude={"max_age_days"})
    return digest_of([shape, barriers.model_dump(mode="json"), costs.model_dump(mode="json")])


def label_params(barriers: BarrierSettings, costs: CostSettings) -> Mapping[str, Any]:
    """What the labels were made with, as the manifest keeps it."""
    return {**barriers.model_dump(mode="json"), **costs.model_dump(mode="json")}


def _trained(task: _Task, role: Role) -> RoleReport:
    series, origins = task.series, task.origins
    champion = champion_of(
        task.registry, role, series, names=task.data.names, label_params=origins.label_params
    )
    learned = learn(
        role,
        task.data,
        task.models,
        champion=champion,
        peers=task.peers,
        journal=_journal(task, role),
        stage=f"{series.instrument.slug} {series.timeframe} {role}",
        progress=task.progress,
    )
    baseline = _kept(task, learned, learned.baseline)
    trees = _kept(task, learned, learned.challenger)
    evaluation = json.loads(_evaluation(learned))
    choice = chosen_of(task.registry, series, evaluation, trees, baseline)
    return RoleReport(
        role=role,
        chosen=choice,
        served=choice,
        trees=trees,
        baseline=baseline,
        reused=False,
        evaluation=evaluation,
        no_duel=learned.duel.reason if isinstance(learned.duel, NoDuel) else None,
    )


def _journal(task: _Task, role: Role) -> Path | None:
    """Where the search of a role keeps its trials: a file of its own for each origin."""
    if task.searches is None:
        return None
    series, origins = task.series, task.origins
    origin = digest_of([series.key, origins.data_digest, origins.settings_digest, origins.git_commit])
    return task.searches / f"{series.instrument.slug}-{series.timeframe}-{role}-{origin[:20]}.journal"


def _kept(task: _Task, learned: Learned, outlook: Outlook) -> ModelManifest:
    plain, origins = outlook is learned.baseline, task.origins
    draft = ModelManifest(
        role=learned.role.value,
        series_key=task.series.key,
        version="",
        created_ms=origins.created_ms,
        features=task.data.names,
        label_params=origins.label_params,
        data_digest=origins.data_digest,
        settings_digest=origins.settings_digest,
        git_commit=origins.git_commit,
        metrics=learned.baseline_metrics if plain else learned.metrics,
        serving_ok=plain or learned.choice is Choice.CHALLENGER,
        refused_reason=None if plain else learned.refused_reason,
        extra={
            "kind": outlook.kind,
            "required": [] if plain else list(learned.required),
            "test_from_ms": learned.test_from_ms,
            "tuning": learned.search.as_json(),
            "champion": learned.duel.version if isinstance(learned.duel, Duel) else None,
        },
        files={},
    )
    return task.registry.save(draft, {**outlook.files(), EVALUATION_FILE: _evaluation(learned)})


def _evaluation(learned: Learned) -> bytes:
    return json.dumps(learned.evaluation, sort_keys=True, indent=1).encode()


def _rehearsed(
    task: _Task, frame: Frame, labels: Outcomes, roles: Sequence[Role]
) -> tuple[Fold | None, str | None]:
    """(fold, None), or (None, why not): forecasts take all roles, and rows enough before the test slice."""
    if set(roles) != set(Role):
        return None, "not all roles were trained"
    try:
        walk = walk_rows(
            task.series,
            frame,
            labels,
            folds=1,
            models=task.models,
            horizon_bars=task.data.horizon_bars,
            first_frac=1.0 - task.models.test_frac,
            peers=task.peers,
            progress=task.progress,
        )
    except SkipThis as cause:
        return None, str(cause)
    return walk.folds[0], None
