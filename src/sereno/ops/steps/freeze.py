"""Closing an account to entries, opening it again, restoring its standing. Exits always pass; all is audited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import FixConfig, StopTrading, TryLater
from sereno.core.timeframe import iso
from sereno.ops.entries import BLOCKED, CLEARED, desk_moment, queue_alert
from sereno.ops.steps.tell import tell_aside

if TYPE_CHECKING:
    from sereno.core.risk import RiskState
    from sereno.ops.app import Desk

ATTEMPTS = 3
RESTORE_FIRST = "the account's losses and pause were lost: look at the ledger, then `sereno risk restore`"
_log = structlog.get_logger("sereno.freeze")


def freeze_entries(desk: Desk, error: StopTrading, *, job: str) -> None:
    """Let nothing enter until a person has looked, because a job said so, and wake one. Never raises.

    A block that stands keeps its reason: the first fault is the one to look at. An account that is
    still to be opened is blocked too: its opening leaves the block where it is.
    """
    try:
        state = standing(desk)
        if state is None or state.blocked_reason is None:
            state = set_block(desk, error.event, actor=f"job:{job}", detail=str(error))
    except Exception as cause:  # noqa: BLE001 - called from the guard, which must still record the failure
        _log.error("risk.not_frozen", reason=error.event, error=f"{type(cause).__name__}: {cause}")
    else:
        _log.error(
            "risk.frozen", reason=None if state is None else state.blocked_reason, account=desk.account
        )
    tell_aside(desk)


def standing(desk: Desk) -> RiskState | None:
    """The account's risk state; None when it was never opened. Raises StopTrading if it is unreadable."""
    from sereno.store.ledger import risk_state

    with desk.ledger.read() as tx:
        return risk_state.load(tx, desk.mode, desk.account)


def set_block(desk: Desk, reason: str | None, *, actor: str, detail: str = "") -> RiskState | None:
    """Block entries for a reason, or allow them again (None).

    Where there is no state, before the account is opened or because it was lost, a block starts one;
    there is nothing to clear then, and the answer is None. One that a block started in the place of a
    lost one knows no losses and no pause: it is cleared only once a person has restored it.

    Raises FixConfig for that, StopTrading if the state is unreadable, TryLater if other writers came first
    again and again.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _write(desk, reason, actor, detail)
        except TryLater as cause:
            _log.info("risk.write_again", error=str(cause))
    return _write(desk, reason, actor, detail)


def restore(desk: Desk, *, actor: str) -> RiskState | None:
    """Start a lost risk state anew; None if none was lost. Errors as `trading.account.restore_risk_state`."""
    from sereno.trading.account import restore_risk_state

    now = desk_moment(desk.clock)
    return restore_risk_state(desk.ledger, mode=desk.mode, account=desk.account, now=now, actor=actor)


def _write(desk: Desk, reason: str | None, actor: str, detail: str) -> RiskState | None:
    from sereno.store.ledger import audit, risk_state
    from sereno.trading.account import fresh_state

    now = desk_moment(desk.clock)
    with desk.ledger.begin() as tx:
        state = risk_state.load(tx, desk.mode, desk.account)
        if state is None and reason is not None:
            state = fresh_state(
                tx,
                mode=desk.mode,
                account=desk.account,
                initial_equity_quote=desk.settings.risk.initial_equity_quote,
                now=now,
            )
        if state is None or state.blocked_reason == reason:
            return state
        if reason is None and state.lost_ms is not None:
            raise FixConfig("risk.state_lost", remedy=RESTORE_FIRST, lost=iso(state.lost_ms))
        told = {"mode": desk.mode.value, "reason": reason, "before": state.blocked_reason, "detail": detail}
        audit.append(tx, now, actor, BLOCKED if reason else CLEARED, desk.account, told)
        kept = risk_state.save(tx, replace(state, blocked_reason=reason), state.version)
        queue_alert(tx, desk)
        return kept
