"""Whether the account may enter, read from risk state, equity and audit; and telling people when it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sereno.core.clock import Clock, WallClock
from sereno.core.errors import Refused, SerenoError, StopTrading
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.ops.logs import Redactor
from sereno.store.ledger import audit, equity, risk_state
from sereno.store.ledger.audit import AuditEntry
from sereno.trading.risk import AccountView, standing
from sereno.trading.risk_limits import RiskReason
from sereno.watch import outbox
from sereno.watch.entries import CHECK, EntryFacts, entries_blocked
from sereno.watch.outbox import Moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sereno.ops.app import Desk

BLOCKED = "risk.blocked"
CLEARED = "risk.cleared"
BLOCKS_SEEN = 200


def entry_facts(tx: Connection, mode: Mode, account: str, at: UtcMs) -> EntryFacts:
    """What the risk gate says of every entry at a moment, and who said so. An unreadable state is a fact too."""
    refused = _refused(tx, mode, account, at)
    if refused is None or refused.reason != RiskReason.BLOCKED:
        return EntryFacts(account, refused)
    block = _newest_block(tx, mode, account)
    return (
        EntryFacts(account, refused) if block is None else EntryFacts(account, refused, block.actor, block.ts)
    )


def desk_moment(clock: Clock) -> UtcMs:
    """The desk's time; the host's when the simulated world is not running."""
    try:
        return clock.now_ms()
    except SerenoError:
        return WallClock().now_ms()


def queue_alert(tx: Connection, desk: Desk) -> int:
    """Put into the outbox what people must know of the entries, and that they are free again; how many alerts."""
    now = desk_moment(desk.clock)
    noticed = entries_blocked(entry_facts(tx, desk.mode, desk.account, now))
    moment = Moment(now, WallClock().now_ms())
    return outbox.put(
        tx, desk.mode, noticed, moment, redact=Redactor.of(desk.settings).text, only_check=CHECK
    )


def _refused(tx: Connection, mode: Mode, account: str, at: UtcMs) -> Refused | None:
    point = equity.latest(tx, mode, account)
    value = None if point is None else point.equity_quote
    try:
        state = risk_state.load(tx, mode, account)
    except StopTrading:
        return standing(AccountView(mode, account, value, None, state_is_unreadable=True), at)
    if point is None and state is not None and state.blocked_reason is not None:
        return Refused(RiskReason.BLOCKED, state.blocked_reason)  # before the account is opened
    return standing(AccountView(mode, account, value, state), at)


def _newest_block(tx: Connection, mode: Mode, account: str) -> AuditEntry | None:
    found = audit.recent(tx, BLOCKS_SEEN, action=BLOCKED)
    return next(
        (one for one in found if (one.subject, one.detail.get("mode")) == (account, mode.value)), None
    )
