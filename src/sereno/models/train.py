"""Training the roles of one series, and keeping what came out.

Both the trees and the baseline of a role become versions in the registry; then what the gate chose of every
role becomes current in one step, but for roles that a person pinned. A role that was already trained on the same data, with the same settings, by the
same commit is not trained again, so an interrupted training goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.ids import digest_of
from sereno.core.instrument import Series
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import UtcMs, iso
from sereno.models.champion import champion_of
from sereno.models.contract import Frame, Progress, Role, silent
from sereno.models.dataset import Dataset, Outcomes, join
from sereno.models.gate import Choice, Duel, NoDuel
from sereno.models.learn import Learned, learn
from sereno.models.outlook import Outlook
from sereno.models.walkforward import Fold, walk_rows
from sereno.store.registry import ModelManifest, Pin, Pointer, Registry

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True)
class RoleReport:
    """One role after training. `evaluation` holds scores, curves, importance, slices and parameters.

    chosen    what the gate chose: the new trees, the ones that served before, or the baseline
    served    what serves; another than the chosen where a person holds it with `pin`
    no_duel   why the trees were not compared with what served; None when they were, or for a reused role
    """

    role: Role
    chosen: ModelManifest
    served: ModelManifest
    trees: ModelManifest
    baseline: ModelManifest
    reused: bool
    evaluation: Mapping[str, Any]
    pin: Pin | None = None
    no_duel: str | None = None

    @property
    def held(self) -> str | None:
        """Why the chosen version does not serve; None when it does."""
        if self.pin is None or self.chosen.version == self.served.version:
            return None
        since = f"{self.served.version} is pinned since {iso(self.pin.at_ms)} by {self.pin.by}"
        return f"{self.chosen.version} would serve, but {since}"


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """One series after training.

    fold    the procedure as it would have gone had it ended where the test slice begins, and its forecasts
            of that slice: no row of it chose between models. None for a single role or too few rows
            (`fault` says why)
    """

    series: Series
    created_ms: UtcMs
    rows: int
    data_digest: str
    settings_digest: str
    git_commit: str
    roles: tuple[RoleReport, ...]
    fold: Fold | None
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
    pointer = registry.publish(series, {report.role: report.chosen.version for report in reports})
    fold, fault = _rehearsed(series, frame, labels, models, data.horizon_bars, roles, progress)
    return TrainReport(
        series=series,
        created_ms=origins.created_ms,
        rows=len(data),
        data_digest=origins.data_digest,
        settings_digest=origins.settings_digest,
        git_commit=origins.git_commit,
        roles=tuple(_as_served(report, series, pointer, registry) for report in reports),
        fold=fold,
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
    champion = champion_of(registry, role, series, names=data.names, label_params=origins.label_params)
    learned = learn(role, data, models, champion=champion, stage=stage, progress=progress)
    baseline = _kept(learned, learned.baseline, series, data.names, origins, registry)
    trees = _kept(learned, learned.trees, series, data.names, origins, registry)
    evaluation = json.loads(_evaluation(learned))
    choice = _choice(evaluation, trees, baseline, series, registry)
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
    try:
        kept = [registry.load(role, series, manifest.version) for manifest in (baseline, trees)]
    except SkipThis:
        return None
    if any(artefact.fell_back_from for artefact in kept):
        return None
    evaluation = json.loads(kept[1].files[EVALUATION_FILE])
    choice = _choice(evaluation, trees, baseline, series, registry)
    return RoleReport(role, choice, choice, trees, baseline, True, evaluation)


def _choice(
    evaluation: Mapping[str, Any],
    trees: ModelManifest,
    baseline: ModelManifest,
    series: Series,
    registry: Registry,
) -> ModelManifest:
    """The version that the gate chose; the baseline in place of a champion that has been lost since."""
    match Choice(evaluation["choice"]):
        case Choice.CHALLENGER:
            return trees
        case Choice.CHAMPION:
            version = evaluation["champion"]["version"]
            kept = (m for m in registry.versions(trees.role, series) if m.version == version)
            return next(kept, baseline)
        case Choice.BASELINE:
            return baseline


def _as_served(report: RoleReport, series: Series, pointer: Pointer, registry: Registry) -> RoleReport:
    """The report with what the pointer says, which a person may hold."""
    version = pointer.versions[report.role]
    known = (m for m in registry.versions(report.role, series) if m.version == version)
    return replace(report, served=next(known, report.chosen), pin=pointer.pins.get(report.role))


def _rehearsed(
    series: Series,
    frame: Frame,
    labels: Outcomes,
    models: ModelSettings,
    horizon_bars: int,
    roles: Sequence[Role],
    progress: Progress,
) -> tuple[Fold | None, str | None]:
    """(fold, None), or (None, why not): forecasts take all roles, and rows enough before the test slice."""
    if set(roles) != set(Role):
        return None, "not all roles were trained"
    try:
        walk = walk_rows(
            series,
            frame,
            labels,
            folds=1,
            models=models,
            horizon_bars=horizon_bars,
            first_frac=1.0 - models.test_frac,
            progress=progress,
        )
    except SkipThis as cause:
        return None, str(cause)
    return walk.folds[0], None
