"""Training the roles of one series, and keeping what came out.

Both the trees and the baseline of a role become versions in the registry; `current` then points to the
one that the gate chose. A role that was already trained on the same data, with the same settings, by the
same commit is not trained again, so an interrupted training goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.ids import digest_of
from sereno.core.instrument import Series
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import UtcMs
from sereno.models.contract import Forecasts, Frame, Progress, Role, silent
from sereno.models.dataset import Dataset, Outcomes, join
from sereno.models.learn import Learned, learn
from sereno.models.outlook import Outlook
from sereno.models.serve import Forecaster
from sereno.store.registry import ModelManifest, Registry

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True)
class RoleReport:
    """One role after training. `evaluation` holds scores, curves, importance, slices and parameters."""

    role: Role
    served: ModelManifest
    trees: ModelManifest
    baseline: ModelManifest
    reused: bool
    evaluation: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """One series after training.

    forecasts   of the served models on rows that none of them was trained, calibrated or tuned on;
                None while a role has no model yet, or one that does not fit the others (`fault` says why)
    """

    series: Series
    created_ms: UtcMs
    rows: int
    data_digest: str
    settings_digest: str
    git_commit: str
    roles: tuple[RoleReport, ...]
    forecasts: Forecasts | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Origins:
    """What a model comes from: equal origins, equal model."""

    created_ms: UtcMs
    git_commit: str
    data_digest: str
    settings_digest: str
    label_params: Mapping[str, Any]


def train_series(
    series: Series,
    candles: Candles,
    *,
    models: ModelSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    registry: Registry,
    roles: Sequence[Role] = tuple(Role),
    now: UtcMs,
    git_commit: str,
    progress: Progress = silent,
) -> TrainReport:
    """Train roles on closed candles and make the chosen versions current.

    progress   is told ("BTC_USDT 1h trend", done, total)
    Raises SkipThis: `models.empty_history`, `models.short_history`, `models.too_few_rows`.
    """
    from sereno.features.frame import compute
    from sereno.labels.barrier import triple_barrier

    if not len(candles):
        raise SkipThis("models.empty_history", remedy="collect candles first", series=series.key)
    frame = compute(candles, atr_bars=barriers.atr_bars)
    labels = triple_barrier(candles, frame.atr, barriers=barriers, costs=costs)
    origins = Origins(
        created_ms=now,
        git_commit=git_commit,
        data_digest=candles.digest(),
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
        roles=roles,
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
    roles: Sequence[Role] = tuple(Role),
    progress: Progress = silent,
) -> TrainReport:
    """`train_series` from features and labels that are already there."""
    data = join(
        frame, labels, timeframe=series.timeframe, horizon_bars=int(origins.label_params["horizon_bars"])
    )
    reports = tuple(
        _resumed(role, series, origins, registry)
        or _trained(role, series, data, models, origins, registry, progress)
        for role in roles
    )
    for report in reports:
        if registry.current(report.role, series) != report.served.version:
            registry.use(report.role, series, report.served.version)
    forecasts, fault = _out_of_sample(series, frame, registry)
    return TrainReport(
        series=series,
        created_ms=origins.created_ms,
        rows=len(data),
        data_digest=origins.data_digest,
        settings_digest=origins.settings_digest,
        git_commit=origins.git_commit,
        roles=reports,
        forecasts=forecasts,
        fault=fault,
    )


def settings_digest(models: ModelSettings, barriers: BarrierSettings, costs: CostSettings) -> str:
    """Of everything that shapes a model; when a model counts as old does not."""
    shape = models.model_dump(mode="json", exclude={"max_age_days"})
    return digest_of([shape, barriers.model_dump(mode="json"), costs.model_dump(mode="json")])


def label_params(barriers: BarrierSettings, costs: CostSettings) -> Mapping[str, Any]:
    """What the labels were made with, as the manifest keeps it."""
    return {**barriers.model_dump(mode="json"), **costs.model_dump(mode="json")}


def _trained(
    role: Role,
    series: Series,
    data: Dataset,
    models: ModelSettings,
    origins: Origins,
    registry: Registry,
    progress: Progress,
) -> RoleReport:
    stage = f"{series.instrument.slug} {series.timeframe} {role}"
    learned = learn(role, data, models, stage=stage, progress=progress)
    baseline = _kept(learned, learned.baseline, series, data.names, origins, registry)
    trees = _kept(learned, learned.trees, series, data.names, origins, registry)
    return RoleReport(
        role=role,
        served=trees if trees.serving_ok else baseline,
        trees=trees,
        baseline=baseline,
        reused=False,
        evaluation=json.loads(_evaluation(learned)),
    )


def _kept(
    learned: Learned,
    outlook: Outlook,
    series: Series,
    names: tuple[str, ...],
    origins: Origins,
    registry: Registry,
) -> ModelManifest:
    plain = outlook is learned.baseline
    found = learned.baseline_metrics if plain else learned.metrics
    draft = ModelManifest(
        role=learned.role.value,
        series_key=series.key,
        version="",
        created_ms=origins.created_ms,
        features=names,
        label_params=origins.label_params,
        data_digest=origins.data_digest,
        settings_digest=origins.settings_digest,
        git_commit=origins.git_commit,
        metrics=found,
        serving_ok=plain or learned.verdict.passed,
        refused_reason=None if plain else learned.verdict.reason,
        extra={
            "kind": outlook.kind,
            "required": [] if plain else list(learned.required),
            "test_from_ms": learned.test_from_ms,
        },
        files={},
    )
    return registry.save(draft, {**outlook.files(), EVALUATION_FILE: _evaluation(learned)})


def _evaluation(learned: Learned) -> bytes:
    return json.dumps(learned.evaluation, sort_keys=True, indent=1).encode()


def _resumed(role: Role, series: Series, origins: Origins, registry: Registry) -> RoleReport | None:
    """The role as an earlier training with the same origins left it; None when that is not whole."""
    wanted = (origins.data_digest, origins.settings_digest, origins.git_commit)
    found: dict[str, ModelManifest] = {}
    for manifest in registry.versions(role, series):
        if (manifest.data_digest, manifest.settings_digest, manifest.git_commit) == wanted:
            found[str(manifest.extra.get("kind"))] = manifest
    if not {"baseline", "boosted"} <= set(found):
        return None
    trees, baseline = found["boosted"], found["baseline"]
    served = trees if trees.serving_ok else baseline
    try:
        kept = [registry.load(role, series, manifest.version) for manifest in (baseline, trees)]
    except SkipThis:
        return None
    if any(artefact.fell_back_from for artefact in kept):
        return None
    return RoleReport(role, served, trees, baseline, True, json.loads(kept[1].files[EVALUATION_FILE]))


def _out_of_sample(series: Series, frame: Frame, registry: Registry) -> tuple[Forecasts | None, str | None]:
    """(forecasts, None), or (None, why not): one role alone was trained, others lack or are of another kind."""
    try:
        forecaster = Forecaster.load(registry, series, names=tuple(frame.names))
        since = max(_test_from(registry.load(role, series).manifest) for role in Role)
    except SkipThis as cause:
        return None, str(cause)
    return forecaster.forecasts(frame).between(since), None


def _test_from(manifest: ModelManifest) -> int:
    raw = manifest.extra["test_from_ms"]
    assert isinstance(raw, int)
    return raw
