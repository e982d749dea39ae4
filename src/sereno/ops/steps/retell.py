"""Behind `sereno explain` and `sereno replay`: what a stored signal rested on, found again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.row_digest import digest_like
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs
from sereno.features.engine import live_row
from sereno.features.registry import feature_names
from sereno.models.contract import Contributions, Role
from sereno.models.outlook import read_outlook
from sereno.models.serve import Forecaster, Served
from sereno.signals.explain import explain
from sereno.signals.replay import replay
from sereno.store import kept_settings
from sereno.store.artefact import Artefact
from sereno.store.kept_settings import KeptSettings
from sereno.store.ledger import signals as kept

if TYPE_CHECKING:
    from sereno.ops.app import Desk


def story_of(desk: Desk, signal: Signal) -> str:
    """The story of a signal in words; without its models or candles the drivers are left out."""
    decided = _settings_of(desk, signal)
    contributions: Contributions | None = None
    note = ""
    try:
        row = live_row(candles_of(desk, signal), atr_bars=decided.barriers.atr_bars).row
        side = signal.side or Decision.LONG
        if not signal.features:  # let go in time; the same candles give the same values
            signal = replace(signal, features=tuple(zip(row.names, row.values.tolist(), strict=True)))
        contributions = forecaster_of(desk, signal).contributions(row, side)
    except SkipThis as cause:
        note = f"\n\nThe drivers cannot be told any more: {cause}."
    told = explain(
        signal, contributions, signals=decided.signals, barriers=decided.barriers, costs=decided.costs
    )
    return told + note


def replayed(desk: Desk, signal: Signal) -> tuple[tuple[str, ...], bool]:
    """Lines for the terminal, and whether every bit came out the same."""
    decided = _settings_of(desk, signal)
    result = replay(
        signal,
        candles_of(desk, signal),
        forecaster_of(desk, signal),
        settings_digest=decided.digest,
        signals=decided.signals,
        barriers=decided.barriers,
        costs=decided.costs,
        last_taken_ms=_taken_before(desk, signal),
    )
    if result.is_equal:
        lines = [f"{signal.signal_id}: the same bits", f"{signal.decision}: {signal.reason}"]
        if decided.digest != desk.settings.digest:
            lines.append(
                f"recomputed with the settings of then ({decided.digest[:12]}), which were changed since"
            )
        return tuple(lines), True
    lines = [f"{signal.signal_id}: {len(result.differences)} fields differ"]
    lines += [f"  {d.field}: stored {d.stored!r}, computed {d.computed!r}" for d in result.differences]
    if decided.digest != signal.settings_digest:
        lines.append(
            f"  it was made with settings {signal.settings_digest[:12]}, which were not kept; in force are "
            f"{decided.digest[:12]}: put back barriers, costs, signals and risk as they were and replay again"
        )
    return tuple(lines), False


def _settings_of(desk: Desk, signal: Signal) -> KeptSettings:
    """What decided when the signal was made; what is in force if that was not kept."""
    in_force = kept_settings.of(desk.settings)
    if in_force.digest == signal.settings_digest:
        return in_force
    return kept_settings.find(desk.paths.settings, signal.settings_digest) or in_force


def forecaster_of(desk: Desk, signal: Signal) -> Forecaster:
    """The very models that made the signal. Raises SkipThis if one of them is gone or damaged."""
    wanted = dict(part.split("=", 1) for part in signal.forecast.model_version.split(","))
    served = {}
    for role in Role:
        version = wanted[role.value]
        artefact = _loaded(desk, role, signal.series, version)
        if artefact.fell_back_from is not None:
            raise SkipThis("models.damaged", role=role.value, version=version, fault=artefact.fault)
        manifest = artefact.manifest
        outlook = read_outlook(role, artefact.files, features=tuple(manifest.features))
        served[role] = Served(manifest, outlook, None)
    return Forecaster(served, names=feature_names(signal.series.timeframe))


def _loaded(desk: Desk, role: Role, series: Series, version: str) -> Artefact:
    if version not in {manifest.version for manifest in desk.registry.versions(role, series)}:
        raise SkipThis(
            "replay.model_gone",
            remedy="the version was pruned or removed: restore its folder in the registry from a backup",
            role=role.value,
            version=version,
            series=series.key,
        )
    return desk.registry.load(role, series, version)


def candles_of(desk: Desk, signal: Signal) -> Candles:
    """The candles as they were known when the signal was made: those whose digest it names.

    Raises SkipThis if the lake never held them, as far as it remembers.
    """
    past = desk.lake.past(signal.series, signal.feature_first_ms, signal.ts)
    for version in past.versions():
        if digest_like(signal.data_digest, version) == signal.data_digest:
            return version
    raise SkipThis(
        "replay.candles_changed",
        remedy="the lake no longer holds the candles that the signal was made from",
        signal_id=signal.signal_id,
        data_digest=signal.data_digest,
    )


def _taken_before(desk: Desk, signal: Signal) -> UtcMs | None:
    with desk.ledger.read() as tx:
        found = kept.last_taken(tx, signal.series, signal.mode, before=signal.ts)
    return None if found is None else found.ts
