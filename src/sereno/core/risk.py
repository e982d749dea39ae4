"""The account's standing with its limits, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs


@dataclass(frozen=True, slots=True)
class RiskState:
    """Where an account stands in its UTC day and week. No state, or an unreadable one, means no entry.

    day_start_equity_quote, week_start_equity_quote   what losses are measured from
    losing_streak    losses in a row, newest last
    paused_until_ms  entries rest until then; None: no pause
    blocked_reason   set by a person or a fault; stays until a person clears it
    version          rises by one with each write; a writer that read an older one is refused
    lost_ms          when a block found the account's state lost and wrote this one in its place: it knows no
                     losses and no pause, and only a person's `restore` makes it the account's; None: it is
    """

    mode: Mode
    account: str
    day_start_ms: UtcMs
    day_start_equity_quote: Decimal
    week_start_ms: UtcMs
    week_start_equity_quote: Decimal
    losing_streak: int
    paused_until_ms: UtcMs | None
    pause_reason: str | None
    blocked_reason: str | None
    updated_ms: UtcMs
    version: int
    lost_ms: UtcMs | None = None
