"""Commands about models. Each change is kept in the audit."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sereno.core.clock import WallClock
from sereno.core.errors import FixConfig, SerenoError
from sereno.core.instrument import Instrument, Series
from sereno.core.timeframe import Timeframe, iso
from sereno.ops.app import Desk
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say

if TYPE_CHECKING:
    from sereno.store.registry import ModelManifest

ROLES = ("trend", "return", "risk")


def _desk() -> Desk:
    return Desk(context.loaded().settings)


def series_of_key(key: str) -> Series:
    """From `binance:spot:BTC/USDT@1h`."""
    instrument, _, timeframe = key.rpartition("@")
    return Series(Instrument.from_key(instrument), Timeframe(timeframe))


def table() -> None:
    """Newest first; `*` is served."""
    with _desk() as desk:
        rows = []
        for m in sorted(desk.registry.all(), key=lambda m: m.version, reverse=True):
            serving = desk.registry.current(m.role, series_of_key(m.series_key)) == m.version
            state = "*" if serving else (m.refused_reason or "")
            rows.append(
                (m.version, m.role, m.series_key, iso(m.created_ms), str(m.extra.get("kind", "")), state)
            )
    print_table(("version", "role", "series", "created", "kind", "served, or why not"), rows)


def show(version: str) -> None:
    """The manifest as JSON."""
    with _desk() as desk:
        say(json.dumps(asdict(_found(desk, version)), indent=2, default=dict))


def use(version: str, *, force: bool) -> None:
    """Serve a version."""
    with _desk() as desk:
        manifest = _found(desk, version)
        series = series_of_key(manifest.series_key)
        desk.registry.use(manifest.role, series, version, force=force)
        _note(desk, manifest.role, series, version, "models.use", forced=force)
    say(f"{manifest.role} of {manifest.series_key} is served by {version}")


def rollback(role: str, symbol: str, timeframe: str) -> None:
    """Serve the version before."""
    if role not in ROLES:
        raise FixConfig("models.role", remedy=f"choose one of {', '.join(ROLES)}", given=role)
    with _desk() as desk:
        span = Timeframe(timeframe) if timeframe else desk.settings.candles.timeframes[0]
        venue = desk.settings.venue
        series = Series(Instrument.parse(symbol, venue=venue.name, market=venue.market), span)
        version = desk.registry.rollback(role, series)
        _note(desk, role, series, version, "models.rollback", forced=False)
    say(f"{role} of {series.key} is served by {version} again")


def _found(desk: Desk, version: str) -> ModelManifest:
    found = [m for m in desk.registry.all() if m.version == version]
    if not found:
        raise FixConfig("models.unknown_version", remedy="`sereno models list` shows them", version=version)
    return found[0]


def _note(desk: Desk, role: str, series: Series, version: str, action: str, *, forced: bool) -> None:
    from sereno.store.ledger import audit, model_versions

    try:
        now = desk.clock.now_ms()
    except SerenoError:
        now = WallClock().now_ms()
    with desk.ledger.begin() as tx:
        audit.append(
            tx,
            now,
            getpass.getuser(),
            action,
            series.key,
            {"role": role, "version": version, "forced": forced},
        )
        model_versions.mark_serving(tx, role, series.key, version)
