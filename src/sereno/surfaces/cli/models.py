"""Commands about models. Each change is kept in the audit."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from sereno.core.clock import WallClock
from sereno.core.errors import FixConfig, SerenoError, SkipThis
from sereno.core.instrument import Instrument, Series
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.ops.app import Desk
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say

if TYPE_CHECKING:
    from sereno.store.registry import ModelManifest, Pin, Pointer

ROLES = ("trend", "return", "risk")
HELD = "and pinned until `sereno models release`"


def _desk(*, reading: bool = False) -> Desk:
    return Desk(context.to_read() if reading else context.to_work(), reading=reading)


def series_of_key(key: str) -> Series:
    """From `binance:spot:BTC/USDT@1h`."""
    instrument, _, timeframe = key.rpartition("@")
    return Series(Instrument.from_key(instrument), Timeframe(timeframe))


def table() -> None:
    """By series and role, the newest first; `*` is served."""
    with _desk(reading=True) as desk:
        pointers: dict[str, Pointer] = {}
        rows = []
        newest_first = sorted(desk.registry.all(), key=lambda m: m.age, reverse=True)
        for m in sorted(newest_first, key=lambda m: (m.series_key, m.role)):
            if m.series_key not in pointers:
                pointers[m.series_key] = desk.registry.pointer(series_of_key(m.series_key))
            state = _state(m, pointers[m.series_key])
            rows.append(
                (m.version, m.role, m.series_key, iso(m.created_ms), str(m.extra.get("kind", "")), state)
            )
    print_table(("version", "role", "series", "created", "kind", "served, or why not"), rows)


def _state(manifest: ModelManifest, pointer: Pointer) -> str:
    """`*` for what serves, with its pin; otherwise why it was refused, or what serves in its place."""
    served = pointer.versions.get(manifest.role)
    if served != manifest.version:
        return manifest.refused_reason or (f"{served} serves" if served else "nothing serves")
    pin = pointer.pins.get(manifest.role)
    return "*" if pin is None else f"* {pin_told(pin)}"


def show(version: str) -> None:
    """The manifest as JSON."""
    with _desk(reading=True) as desk:
        say(json.dumps(asdict(_found(desk, version)), indent=2, default=dict))


def use(version: str, *, force: bool, why: str) -> None:
    """Serve a version, and hold it against later trainings."""
    with _desk() as desk:
        manifest = _found(desk, version)
        series, role = series_of_key(manifest.series_key), manifest.role
        pin = _pin(desk, why)
        desk.registry.use(role, series, version, force=force, pin=pin)
        _note(desk, series, {role: version}, pin, "models.use", {"forced": force, "why": why})
    say(f"{role} of {series.key} is served by {version}, {HELD}")


def rollback(symbol: str, timeframe: str, *, role: str, why: str) -> None:
    """Serve the set that served before, and hold it; of every traded series when none is named."""
    _check_role(role)
    failed: list[SkipThis] = []
    with _desk() as desk:
        asked = _asked(desk, symbol, timeframe)
        for series in asked:
            before, pin = desk.registry.served(series), _pin(desk, why)
            try:
                after = desk.registry.rollback(series, role or None, pin=pin)
            except SkipThis as cause:
                failed.append(cause)
                continue
            back = {name: version for name, version in after.items() if role in ("", name)}
            _note(desk, series, back, pin, "models.rollback", {"before": dict(before), "why": why})
            for name, version in sorted(back.items()):
                say(f"{name} of {series.key} is served by {version} again, {HELD}")
    if len(failed) == len(asked):
        raise failed[0]
    for refusal in failed:
        say(str(refusal))


def release(symbol: str, timeframe: str, *, role: str) -> None:
    """Let training choose again; of every traded series when none is named."""
    _check_role(role)
    with _desk() as desk:
        for series in _asked(desk, symbol, timeframe):
            free = desk.registry.release(series, role or None)
            served = desk.registry.served(series)
            if free:
                told = {"released": {name: served[name] for name in free}}
                _audit(desk, _now(desk), series, "models.release", told)
            for name, pin in sorted(free.items()):
                say(f"{name} of {series.key} was {pin_told(pin)}: the next training chooses again")
            if not free:
                say(f"nothing of {series.key} is pinned")


def pin_told(pin: Pin) -> str:
    """Who holds a version since when, and why."""
    return f"pinned by {pin.by} since {iso(pin.at_ms)}" + (f": {pin.why}" if pin.why else "")


def _check_role(role: str) -> None:
    if role and role not in ROLES:
        raise FixConfig("models.role", remedy=f"choose one of {', '.join(ROLES)}", given=role)


def _asked(desk: Desk, symbol: str, timeframe: str) -> list[Series]:
    """The traded series of a pair and a timeframe; empty words ask for all of them."""
    venue = desk.settings.venue
    wanted = Instrument.parse(symbol, venue=venue.name, market=venue.market) if symbol else None
    found = [
        series
        for series in desk.series
        if wanted in (None, series.instrument) and timeframe in ("", series.timeframe.value)
    ]
    if found:
        return found
    if wanted is None:
        raise FixConfig("models.timeframe", remedy="name one that is traded", given=timeframe)
    span = Timeframe(timeframe) if timeframe else desk.settings.candles.timeframes[0]
    return [Series(wanted, span)]


def _pin(desk: Desk, why: str) -> Pin:
    from sereno.store.pointer import Pin

    return Pin(getpass.getuser(), _now(desk), why)


def _found(desk: Desk, version: str) -> ModelManifest:
    found = [m for m in desk.registry.all() if m.version == version]
    if not found:
        raise FixConfig("models.unknown_version", remedy="`sereno models list` shows them", version=version)
    return found[0]


def _note(
    desk: Desk,
    series: Series,
    versions: Mapping[str, str],
    pin: Pin,
    action: str,
    detail: Mapping[str, object],
) -> None:
    from sereno.ops.served import ledger_line
    from sereno.store.ledger import model_versions

    _audit(desk, pin.at_ms, series, action, {"versions": dict(versions), **detail})
    for role, version in versions.items():
        with desk.ledger.begin() as tx:
            model_versions.save(tx, ledger_line(_found(desk, version)))  # an old one's line may be pruned
            model_versions.mark_serving(tx, role, series.key, version)


def _audit(desk: Desk, now: UtcMs, series: Series, action: str, detail: Mapping[str, object]) -> None:
    from sereno.store.ledger import audit

    with desk.ledger.begin() as tx:
        audit.append(tx, now, getpass.getuser(), action, series.key, detail)


def _now(desk: Desk) -> UtcMs:
    """The desk's time; the host's when the simulated world is not running."""
    try:
        return desk.clock.now_ms()
    except SerenoError:
        return WallClock().now_ms()
