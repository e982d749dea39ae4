"""Where an account stands with its limits, and how that changes: pure functions over `RiskState`.

Losses are measured on equity with unrealised results since the start of the UTC day and week (Monday).
A limit that is reached pauses entries until the next day or week, a losing streak for some hours. A
pause ends by time alone: neither midnight nor a restart clears it, and it needs no trade to end. The
streak is counted anew after its pause, and a break-even result leaves it as it is.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from sereno.core.mode import Mode
from sereno.core.risk import RiskState
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.trading import rules
from sereno.trading.rules import Rulebook


class RiskReason(StrEnum):
    """Why the gate refuses an entry."""

    NO_ACCOUNT = "no_account"
    STATE_MISSING = "risk_state_missing"
    STATE_UNREADABLE = "risk_state_unreadable"
    BLOCKED = "blocked"
    DAILY_LOSS = "daily_loss"
    WEEKLY_LOSS = "weekly_loss"
    LOSING_STREAK = "losing_streak"
    POSITION_OPEN = "position_open"
    MAX_OPEN_POSITIONS = "max_open_positions"
    EXPOSURE_FULL = "exposure_full"
    PRICE_BELOW_GRID = "price_below_money_grid"
    QUANTITY_TOO_SMALL = "quantity_too_small"
    ATR_MISSING = "atr_missing"
    RULES_UNKNOWN = "instrument_rules_unknown"
    SHORT_NOT_POSSIBLE = "short_not_possible"
    NOT_TAKEN = "signal_not_taken"


def opened_state(mode: Mode, account: str, equity: Decimal, now: UtcMs) -> RiskState:
    """The state of an account that is opened now."""
    return RiskState(
        mode=mode,
        account=account,
        day_start_ms=rules.day_of(now),
        day_start_equity_quote=equity,
        week_start_ms=rules.week_of(now),
        week_start_equity_quote=equity,
        losing_streak=0,
        paused_until_ms=None,
        pause_reason=None,
        blocked_reason=None,
        updated_ms=now,
        version=0,
    )


def rolled(state: RiskState, at: UtcMs, equity: Decimal) -> RiskState:
    """The state in the UTC day and week of `at`, measured from the last known equity. Pauses stay."""
    if at < state.day_start_ms + DAY_MS:
        return state
    day, week = rules.day_of(at), rules.week_of(at)
    state = replace(state, day_start_ms=day, day_start_equity_quote=equity, updated_ms=at)
    if week > state.week_start_ms:
        state = replace(state, week_start_ms=week, week_start_equity_quote=equity)
    return state


def after_exit(state: RiskState, exit_ms: UtcMs, pnl: Decimal, book: Rulebook) -> RiskState:
    """The state after a result: a losing streak that is full starts its pause and a new count."""
    streak = rules.streak_after(state.losing_streak, float(pnl))
    if streak < book.losing_streak:
        return replace(state, losing_streak=streak, updated_ms=exit_ms)
    state = replace(state, losing_streak=0, updated_ms=exit_ms)
    return _paused(state, exit_ms + book.pause_ms, RiskReason.LOSING_STREAK)


def after_mark(state: RiskState, ts: UtcMs, equity: Decimal, book: Rulebook) -> RiskState:
    """The state after equity was marked: a loss limit that is reached pauses entries."""
    until = rules.limit_pause_until(
        state.day_start_ms,
        float(state.day_start_equity_quote),
        state.week_start_ms,
        float(state.week_start_equity_quote),
        float(equity),
        book,
    )
    if until <= ts:
        return state
    weekly = until == state.week_start_ms + 7 * DAY_MS and rules.loss_reached(
        float(state.week_start_equity_quote), float(equity), book.max_weekly_loss_frac
    )
    reason = RiskReason.WEEKLY_LOSS if weekly else RiskReason.DAILY_LOSS
    return _paused(replace(state, updated_ms=max(ts, state.updated_ms)), until, reason)


def _paused(state: RiskState, until: UtcMs, reason: RiskReason) -> RiskState:
    if state.paused_until_ms is not None and state.paused_until_ms >= until:
        return state
    return replace(state, paused_until_ms=until, pause_reason=reason.value)
