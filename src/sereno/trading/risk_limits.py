"""Where an account stands with its limits, and how that changes: the functions of `rules` over `RiskState`.

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
from sereno.core.timeframe import UtcMs
from sereno.trading import rules
from sereno.trading.rules import Rulebook, Standing


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
    OTHER_QUOTE = "quote_not_the_accounts"
    SHORT_NOT_POSSIBLE = "short_not_possible"
    NOT_TAKEN = "signal_not_taken"


_PAUSES = {
    rules.DAILY_PAUSE: RiskReason.DAILY_LOSS,
    rules.WEEKLY_PAUSE: RiskReason.WEEKLY_LOSS,
    rules.STREAK_PAUSE: RiskReason.LOSING_STREAK,
}


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
    """The state in the UTC day and week of `at`."""
    now = rules.rolled(_standing(state), at, float(equity))
    if now.day_start_ms == state.day_start_ms:
        return state
    is_same_week = now.week_start_ms == state.week_start_ms
    return replace(
        state,
        day_start_ms=now.day_start_ms,
        day_start_equity_quote=equity,
        week_start_ms=now.week_start_ms,
        week_start_equity_quote=state.week_start_equity_quote if is_same_week else equity,
        updated_ms=at,
    )


def after_exit(state: RiskState, exit_ms: UtcMs, pnl: Decimal, book: Rulebook) -> RiskState:
    """The state after a result."""
    now = rules.after_exit(_standing(state), exit_ms, float(pnl), book)
    return _paused(replace(state, losing_streak=now.losing_streak, updated_ms=exit_ms), now)


def after_mark(state: RiskState, ts: UtcMs, equity: Decimal, book: Rulebook) -> RiskState:
    """The state after equity was marked."""
    before = _standing(state)
    now = rules.after_mark(before, ts, float(equity), book)
    return state if now == before else _paused(replace(state, updated_ms=max(ts, state.updated_ms)), now)


def _standing(state: RiskState) -> Standing:
    """The numbers of a state. Its pause keeps its name in the state: of the code only a change counts."""
    return Standing(
        day_start_ms=state.day_start_ms,
        day_start_equity=float(state.day_start_equity_quote),
        week_start_ms=state.week_start_ms,
        week_start_equity=float(state.week_start_equity_quote),
        losing_streak=state.losing_streak,
        paused_until_ms=state.paused_until_ms or 0,
        pause=rules.NO_PAUSE,
    )


def _paused(state: RiskState, now: Standing) -> RiskState:
    if now.pause == rules.NO_PAUSE:
        return state
    return replace(state, paused_until_ms=now.paused_until_ms, pause_reason=_PAUSES[now.pause].value)
