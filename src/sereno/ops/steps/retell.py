"""Behind `sereno explain` and `sereno replay`: what a stored signal rested on, found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs
from sereno.features.engine import live_row
from sereno.features.registry import feature_names
from sereno.models.contract import Role
from sereno.models.outlook import read_outlook
from sereno.models.serve import Forecaster, Served
from sereno.signals.explain import explain
from sereno.signals.replay import replay
from sereno.store.ledger import signals as kept

if TYPE_CHECKING:
    from sereno.ops.app import Desk

TAKEN_SEEN = 20_000


def story_of(desk: Desk, signal: Signal) -> str:
    """The story of a signal in words; without its models or candles the drivers are left out."""
    settings = desk.settings
    contributions: tuple[tuple[str, float], ...] = ()
    note = ""
    try:
        row = live_row(candles_of(desk, signal), atr_bars=settings.barriers.atr_bars).row
        side = signal.side or Decision.LONG
        if not signal.features:  # let go in time; the same candles give the same values
            signal = replace(signal, features=tuple(zip(row.names, row.values.tolist(), strict=True)))
        contributions = forecaster_of(desk, signal).contributions(row, side)
    except SkipThis as cause:
        note = f"\n\nThe drivers cannot be told any more: {cause}."
    told = explain(
        signal, contributions, signals=settings.signals, barriers=settings.barriers, costs=settings.costs
    )
    return told + note


def replayed(desk: Desk, signal: Signal) -> tuple[tuple[str, ...], bool]:
    """Lines for the terminal, and whether every bit came out the same."""
    settings = desk.settings
    result = replay(
        signal,
        candles_of(desk, signal),
        forecaster_of(desk, signal),
        settings_digest=settings.digest,
        signals=settings.signals,
        barriers=settings.barriers,
        costs=settings.costs,
        last_taken_ms=_taken_before(desk, signal),
    )
    if result.is_equal:
        return (f"{signal.signal_id}: the same bits", f"{signal.decision}: {signal.reason}"), True
    lines = [f"{signal.signal_id}: {len(result.differences)} fields differ"]
    lines += [f"  {d.field}: stored {d.stored!r}, computed {d.computed!r}" for d in result.differences]
    if settings.digest != signal.settings_digest:
        lines.append("  the settings that decide were changed since; replay with those of then")
    return tuple(lines), False


def forecaster_of(desk: Desk, signal: Signal) -> Forecaster:
    """The very models that made the signal. Raises SkipThis if one of them is gone or damaged."""
    wanted = dict(part.split("=", 1) for part in signal.forecast.model_version.split(","))
    served = {}
    for role in Role:
        version = wanted[role.value]
        artefact = desk.registry.load(role, signal.series, version)
        if artefact.fell_back_from is not None:
            raise SkipThis("models.damaged", role=role.value, version=version, fault=artefact.fault)
        manifest = artefact.manifest
        outlook = read_outlook(role, artefact.files, features=tuple(manifest.features))
        served[role] = Served(manifest, outlook, None)
    return Forecaster(served, names=feature_names(signal.series.timeframe))


def candles_of(desk: Desk, signal: Signal) -> Candles:
    """The candles as they were known when the signal was made: those whose digest it names.

    Raises SkipThis if they are gone.
    """
    for as_of in _knowledge_moments(desk, signal):
        found = desk.lake.candles(signal.series, signal.feature_first_ms, signal.ts, as_of=as_of)
        if found.digest() == signal.data_digest:
            return found
    raise SkipThis(
        "replay.candles_changed",
        remedy="the lake no longer holds the candles that the signal was made from",
        signal_id=signal.signal_id,
    )


def _knowledge_moments(desk: Desk, signal: Signal) -> Iterator[UtcMs | None]:
    """Now, then before each correction that came after the candle closed, newest first."""
    yield None
    later = {c.noticed_ms for c in desk.lake.corrections(signal.series) if c.noticed_ms >= signal.ts}
    yield from (moment - 1 for moment in sorted(later, reverse=True))


def _taken_before(desk: Desk, signal: Signal) -> UtcMs | None:
    sides = (Decision.LONG, Decision.SHORT)
    with desk.ledger.read() as tx:
        found = kept.recent(tx, signal.series, TAKEN_SEEN, decisions=sides, mode=signal.mode)
    return max((one.ts for one in found if one.ts < signal.ts), default=None)
