"""The job `positions`: advances the paper account over closed candles and exports it for readers of files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import StopTrading, TryLater
from sereno.ops.run import Outcome, Run
from sereno.ops.steps.tell import tell_aside

if TYPE_CHECKING:
    from sereno.core.timeframe import UtcMs
    from sereno.ops.app import Desk
    from sereno.trading.positions_job import Advanced

LOOK_BACK_BARS = 50
TRIES = 5
ADVANCED_ELSEWHERE = "account.advanced_elsewhere"
_log = structlog.get_logger("sereno.positions")


def advance_positions(desk: Desk, _run: Run) -> Outcome:
    """Apply the rules to every candle that closed since the last run; then tell people what waits to be told."""
    outcome = _advance_and_export(desk)
    tell_aside(desk)
    return outcome


def _advance_and_export(desk: Desk) -> Outcome:
    from sereno.trading.export import export_account

    done = advance(desk, look_back_bars=None)
    details: dict[str, object] = asdict(done)
    now = desk.clock.now_ms()
    try:
        export_account(desk.ledger, desk.paths.exports, mode=desk.mode, account=desk.account, now=now)
    except StopTrading as cause:
        _log.error("positions.not_exported", error=str(cause))
        return Outcome(done.moments, details, failed=str(cause))
    return Outcome(done.moments, details)


def open_on_candles(desk: Desk, now: UtcMs) -> None:
    """Open the account, where there is none yet, at the newest close of a traded candle; without any it waits.

    A host whose clock is ahead has no such candle. An account that was opened by that clock would answer
    no signal until the true time had come so far.
    """
    from sereno.trading.account import open_account

    extents = ((one, desk.lake.extent(one)) for one in desk.series)
    closes = [extent.last_open_ms + one.timeframe.ms for one, extent in extents if extent is not None]
    if closes:
        open_account(
            desk.ledger,
            mode=desk.mode,
            account=desk.account,
            initial_equity_quote=desk.settings.risk.initial_equity_quote,
            now=min(now, max(closes)),
        )


def advance(desk: Desk, *, look_back_bars: int | None = LOOK_BACK_BARS) -> Advanced:
    """Bring the paper account up to the newest closed candles, opening it where there is none yet.

    Before a decision, which waits for it, only signals of the newest bars are looked for that still have no
    order; the job looks through all of them, so that one that was left behind is refused for being late.

    Another process that advances it at this moment has done a part of the work: the rest is planned anew, and what
    is told is what was done since. Raises TryLater when that happened in each of `TRIES`.
    """
    for left in range(TRIES - 1, 0, -1):
        try:
            return _advance(desk, look_back_bars)
        except TryLater as cause:
            if cause.event != ADVANCED_ELSEWHERE:
                raise
            _log.info("positions.overtaken", tries_left=left)
    return _advance(desk, look_back_bars)


def _advance(desk: Desk, look_back_bars: int | None) -> Advanced:
    from sereno.trading.positions_job import advance_account

    settings = desk.settings
    now = desk.clock.now_ms()
    open_on_candles(desk, now)
    return advance_account(
        desk.ledger,
        desk.lake.candles,
        now,
        mode=desk.mode,
        account=desk.account,
        series=desk.series,
        barriers=settings.barriers,
        costs=settings.costs,
        risk=settings.risk,
        signals=settings.signals,
        look_back_bars=look_back_bars,
    )
