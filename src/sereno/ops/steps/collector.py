"""The job `collector`: one cycle over every series."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sereno.core.instrument import Instrument, InstrumentRules, Series
from sereno.core.timeframe import MINUTE_MS, UtcMs
from sereno.ops.run import Outcome, Run

if TYPE_CHECKING:
    from sereno.market.collect import CycleReport
    from sereno.ops.app import Desk

BOUNDARY_MS = 5 * MINUTE_MS


def collect(desk: Desk, run: Run) -> Outcome:
    """Back-fill, increment and repair. Failed when more than half of the instruments failed."""
    from sereno.market.cycle import SeriesStatus

    _let_candle_settle(desk)
    report = asyncio.run(_cycle(desk, run))
    failed = report.of(SeriesStatus.FAILED)
    alert = (
        f"{len(failed)} of {len(report.results)} series failed: {failed[0].error}" if report.alert else None
    )
    details = {
        **report.details(),
        "ok": len(report.results) - len(failed),
        "failed": len(failed),
    }
    return Outcome(rows=report.rows_added, details=details, failed=alert)


def _let_candle_settle(desk: Desk) -> None:
    """Fired at a candle's very end, wait until it counts as closed; else it would come a cycle late."""
    now = desk.clock.now_ms()
    settled = now // BOUNDARY_MS * BOUNDARY_MS + round(desk.settings.candles.settle_s * 1000) + 1
    pause_s = desk.clock.wall_seconds_until(settled)
    if now < settled and pause_s > 0:
        time.sleep(min(pause_s, 30.0))


async def _cycle(desk: Desk, run: Run) -> CycleReport:
    from sereno.market.collect import collect_cycle

    venue = desk.venue()
    await venue.open()
    try:
        return await collect_cycle(
            venue,
            desk.lake,
            desk.clock,
            instruments=desk.instruments,
            candles=desk.settings.candles,
            venue_settings=desk.settings.venue,
            mode=desk.mode,
            source=desk.source,
            histories=desk.settings.histories,
            progress=run.tell,
            on_rules=lambda rules: _keep_rules(desk, rules),
            held=_held(desk),
        )
    finally:
        await venue.close()


def _held(desk: Desk) -> tuple[Series, ...]:
    """What the account has money in: it is looked after until it is closed, whatever the settings list."""
    from sereno.trading.positions_plan import engaged

    with desk.ledger.read() as tx:
        return engaged(tx, desk.mode, desk.account)


def _keep_rules(desk: Desk, rules: Mapping[Instrument, InstrumentRules]) -> None:
    from sereno.store.ledger import instruments

    now: UtcMs = desk.clock.now_ms()
    with desk.ledger.begin() as tx:
        for instrument, grid in rules.items():
            instruments.save(tx, instrument, grid, now)
