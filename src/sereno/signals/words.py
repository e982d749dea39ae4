"""The words of a decision: its reasons, what it knew, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sereno.core.instrument import Market
from sereno.core.signal import Decision, Refusal
from sereno.core.timeframe import Timeframe, UtcMs


class Reason(StrEnum):
    """Every outcome of a decision; docs/signals.md tells what each means.

    `taken` is the only one that leads to an order. The gate's reasons have the names that it gives its
    refused orders.
    """

    TAKEN = "taken"
    STALE_CANDLE = "stale_candle"
    ATR_MISSING = "atr_missing"
    NO_EDGE = "no_edge"
    SHORT_NOT_POSSIBLE = "short_not_possible"
    PROB_BELOW_MIN = "prob_below_min"
    RETURN_BELOW_MIN = "expected_return_below_min"
    RISK_ABOVE_MAX = "risk_above_max"
    REWARD_RISK_BELOW_MIN = "reward_risk_below_min"
    COOLDOWN = "cooldown"
    COOLDOWN_ELSEWHERE = "cooldown_other_timeframe"
    DATA_GAP = "data_gap"
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
    RULES_UNKNOWN = "instrument_rules_unknown"
    OTHER_QUOTE = "quote_not_the_accounts"


GATE = frozenset(
    {
        Reason.COOLDOWN_ELSEWHERE,
        Reason.DATA_GAP,
        Reason.NO_ACCOUNT,
        Reason.STATE_MISSING,
        Reason.STATE_UNREADABLE,
        Reason.BLOCKED,
        Reason.DAILY_LOSS,
        Reason.WEEKLY_LOSS,
        Reason.LOSING_STREAK,
        Reason.POSITION_OPEN,
        Reason.MAX_OPEN_POSITIONS,
        Reason.EXPOSURE_FULL,
        Reason.PRICE_BELOW_GRID,
        Reason.QUANTITY_TOO_SMALL,
        Reason.RULES_UNKNOWN,
        Reason.OTHER_QUOTE,
    }
)
"""What the gate says no with: it follows from the desk's state at the moment, not from the candles."""


HINDSIGHT = "the models were trained later and may know what followed"
"""In the detail of a `stale_candle`: the forecast beside it is none that scores may count."""


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """What the risk gate would say to an entry now, and the quantity that it would let through.

    reason    one of GATE; empty when allowed
    """

    allowed: bool
    reason: str
    quantity_base: Decimal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision must know besides the candle.

    now            the moment of deciding
    candle_ms      close of the candle that is decided on
    delay_s        wall seconds since then; in a hurried world fewer than `now` tells
    stale          what the record says of the candle's age: replay, which cannot know the moment, passes it
    superseded     a newer candle has closed and is decided on: this one is decided for the record
    hindsight      the models may have been learned or judged on what followed the candle
    last_taken_ms  close of the candle of the newest taken signal of the same series, None without one
    risk           the gate's word; None decides without asking it, as the backtest does, whose kernel
                   applies cool-down and risk itself
    """

    market: Market
    timeframe: Timeframe
    candle_ms: UtcMs
    now: UtcMs
    last_taken_ms: UtcMs | None = None
    risk: RiskVerdict | None = None
    delay_s: float = 0.0
    superseded: bool = False
    hindsight: bool = False
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision on one candle.

    side         what would have been done had no rule refused; None if no side had an edge
    reason       `taken`, or the first rule that refused; `refusals` holds every one of them
    confidence   calibrated probability of the side, None without a side
    entry        close of the candle on the money grid: what the levels hang from
    stop, target levels of a taken side, else None: a refused signal carries no levels
    utility      expected utility of the side net of costs, a fraction of the entry; None without a side
    """

    decision: Decision
    side: Decision | None
    reason: Reason
    detail: str
    confidence: float | None
    entry: float
    stop: float | None
    target: float | None
    utility: float | None
    refusals: tuple[Refusal, ...] = ()
