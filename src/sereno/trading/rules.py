"""The rules of an account, plain functions over numbers: sizing, the venue's lot, limits and pauses.

Like the rules of a position (`core/position_rules.py`) they are called as they are by the paper engine
and compiled by `trading/kernel.py`; so both get the same trades to the last digit.
"""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from inspect import getsource
from typing import NamedTuple

from sereno.core import compiled, position_rules, timeframe
from sereno.core.instrument import InstrumentRules
from sereno.core.money import round_money
from sereno.core.order import ExitReason
from sereno.core.position_rules import STOP, TARGET, TIME, TRAILING, net_unit
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.timeframe import DAY_MS, Timeframe

EXIT_REASONS = {
    STOP: ExitReason.STOP,
    TARGET: ExitReason.TARGET,
    TIME: ExitReason.TIME,
    TRAILING: ExitReason.TRAILING,
}
NO_PAUSE, DAILY_PAUSE, WEEKLY_PAUSE, STREAK_PAUSE = 0, 1, 2, 3
_WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS
_HOUR_MS = 3_600_000


class Rulebook(NamedTuple):
    """Every number that the rules of positions and accounts need, as float64 and int64, for one instrument and timeframe.

    step_num, step_den  the lot in base as an exact fraction
    """

    bar_ms: int
    horizon_bars: int
    stop_atr: float
    target_atr: float
    trailing_atr: float
    fee_frac: float
    slippage_frac: float
    risk_frac: float
    max_position_frac: float
    max_exposure_frac: float
    max_daily_loss_frac: float
    max_weekly_loss_frac: float
    losing_streak: int
    pause_ms: int
    cooldown_ms: int
    step_num: float
    step_den: float
    min_quantity: float
    min_notional_quote: float


class Standing(NamedTuple):
    """Where an account stands with its limits, in numbers: `RiskState` is what the ledger keeps of it.

    day_start_equity, week_start_equity  quote, what losses are measured from
    paused_until_ms, pause               0 and NO_PAUSE before the first pause
    """

    day_start_ms: int
    day_start_equity: float
    week_start_ms: int
    week_start_equity: float
    losing_streak: int
    paused_until_ms: int
    pause: int


def rulebook(
    timeframe: Timeframe,
    instrument: InstrumentRules,
    *,
    barriers: BarrierSettings,
    costs: CostSettings,
    risk: RiskSettings,
    signals: SignalSettings,
) -> Rulebook:
    """The settings and the venue's grid as numbers."""
    step = Fraction(instrument.quantity_step)
    return Rulebook(
        bar_ms=timeframe.ms,
        horizon_bars=barriers.horizon_bars,
        stop_atr=barriers.stop_atr,
        target_atr=barriers.target_atr,
        trailing_atr=barriers.trailing_atr,
        fee_frac=costs.fee_bps / 10_000.0,
        slippage_frac=costs.slippage_bps / 10_000.0,
        risk_frac=risk.risk_per_trade_frac,
        max_position_frac=risk.max_position_frac,
        max_exposure_frac=risk.max_exposure_frac,
        max_daily_loss_frac=risk.max_daily_loss_frac,
        max_weekly_loss_frac=risk.max_weekly_loss_frac,
        losing_streak=risk.losing_streak,
        pause_ms=int(risk.losing_streak_pause_h * _HOUR_MS),
        cooldown_ms=signals.cooldown_bars * timeframe.ms,
        step_num=float(step.numerator),
        step_den=float(step.denominator),
        min_quantity=float(instrument.min_quantity),
        min_notional_quote=float(instrument.min_notional_quote),
    )


def loss_at_stop(price: float, stop_distance: float, book: Rulebook) -> float:
    """Quote that a unit of base loses between an entry at a price and its stop, fees and slippage included.

    That of a short, which loses a trace more than a long: so a size is known before the side is. The fills are
    not put on the money grid, which a lot does not feel and the backtest's loop would.
    """
    entry = price * (1.0 - book.slippage_frac)
    stop = (price + stop_distance) * (1.0 + book.slippage_frac)
    return -net_unit(-1, entry, stop, book.fee_frac)


def lots_of(equity: float, price: float, stop_distance: float, used_notional: float, book: Rulebook) -> int:
    """Whole lots so that the stop costs `risk_frac` of equity at most, within the notional caps; 0 is none.

    used_notional  quote already committed to other positions and pending entries
    """
    if equity <= 0.0 or stop_distance <= 0.0 or price <= 0.0:
        return 0
    loss = loss_at_stop(price, stop_distance, book)
    if not loss > 0.0:  # nor NaN, which a price without bounds gives
        return 0
    by_risk = book.risk_frac * equity / loss
    by_position = book.max_position_frac * equity / price
    by_exposure = (book.max_exposure_frac * equity - used_notional) / price
    raw = min(by_risk, by_position, by_exposure)
    if raw <= 0.0:
        return 0
    return math.floor(raw * book.step_den / book.step_num)


def quantity_of(lots: int, book: Rulebook) -> float:
    """Lots as base quantity: the float nearest to the exact decimal."""
    return lots * book.step_num / book.step_den


def exact_quantity(lots: int, rules: InstrumentRules) -> Decimal:
    """Lots as exact base quantity."""
    return lots * rules.quantity_step


def is_fine_enough(price: float) -> bool:
    """Whether the money grid of 1e-8 is finer than one basis point of a price; below, costs would vanish."""
    return price >= 1e-4


def is_tradable(quantity: float, price: float, book: Rulebook) -> bool:
    """Whether the venue would accept an order of this size, and our books could carry its price."""
    if quantity <= 0.0 or not is_fine_enough(price):
        return False
    return quantity >= book.min_quantity and quantity * price >= book.min_notional_quote


def loss_reached(start_equity: float, equity: float, limit_frac: float) -> bool:
    """Whether the loss since `start_equity` is at or beyond its limit."""
    return round_money(start_equity - equity) >= round_money(limit_frac * start_equity)


def streak_after(streak: int, pnl: float) -> int:
    """Losses in a row after one more result: a break-even is neither loss nor win and leaves the count."""
    if pnl < 0.0:
        return streak + 1
    return streak if pnl == 0.0 else 0


def day_of(ts: int) -> int:
    """Start of the UTC day that holds a moment."""
    return ts // DAY_MS * DAY_MS


def week_of(ts: int) -> int:
    """Start (Monday) of the UTC week that holds a moment."""
    return (ts - _MONDAY_MS) // _WEEK_MS * _WEEK_MS + _MONDAY_MS


def opened(at: int, equity: float) -> Standing:
    """The standing of an account that is opened with this equity."""
    return Standing(day_of(at), equity, week_of(at), equity, 0, 0, NO_PAUSE)


def rolled(standing: Standing, at: int, equity: float) -> Standing:
    """The standing in the UTC day and week of `at`, measured from the last known equity. Pauses stay."""
    if at < standing.day_start_ms + DAY_MS:
        return standing
    week = week_of(at)
    is_new_week = week > standing.week_start_ms
    return Standing(
        day_of(at),
        equity,
        week if is_new_week else standing.week_start_ms,
        equity if is_new_week else standing.week_start_equity,
        standing.losing_streak,
        standing.paused_until_ms,
        standing.pause,
    )


def after_exit(standing: Standing, exit_ms: int, pnl: float, book: Rulebook) -> Standing:
    """The standing after a result: a losing streak that is full starts its pause and a new count."""
    streak = streak_after(standing.losing_streak, pnl)
    if streak < book.losing_streak:
        return _counted(standing, streak)
    return paused(_counted(standing, 0), exit_ms + book.pause_ms, STREAK_PAUSE)


def after_mark(standing: Standing, at: int, equity: float, book: Rulebook) -> Standing:
    """The standing after equity was marked: a loss limit that is reached pauses the rest of its day or week."""
    if loss_reached(standing.week_start_equity, equity, book.max_weekly_loss_frac):
        until, why = standing.week_start_ms + _WEEK_MS, WEEKLY_PAUSE
    elif loss_reached(standing.day_start_equity, equity, book.max_daily_loss_frac):
        until, why = standing.day_start_ms + DAY_MS, DAILY_PAUSE
    else:
        return standing
    return paused(standing, until, why) if until > at else standing


def paused(standing: Standing, until: int, why: int) -> Standing:
    """The standing with a pause; one that ends earlier never replaces a longer one."""
    if standing.paused_until_ms >= until:
        return standing
    return Standing(
        standing.day_start_ms,
        standing.day_start_equity,
        standing.week_start_ms,
        standing.week_start_equity,
        standing.losing_streak,
        until,
        why,
    )


def _counted(standing: Standing, streak: int) -> Standing:
    return Standing(
        standing.day_start_ms,
        standing.day_start_equity,
        standing.week_start_ms,
        standing.week_start_equity,
        streak,
        standing.paused_until_ms,
        standing.pause,
    )


RULES = (
    loss_at_stop,
    lots_of,
    quantity_of,
    is_fine_enough,
    is_tradable,
    loss_reached,
    streak_after,
    day_of,
    week_of,
    opened,
    rolled,
    after_exit,
    after_mark,
    paused,
    _counted,
)


def in_loops() -> str:
    """Let compiled loops call the rules; the digest of their sources, which such a loop keeps by it."""
    compiled.callable_in_loops(*RULES)
    sources = getsource(timeframe) + getsource(sys.modules[__name__])
    return sha256(f"{position_rules.in_loops()}{sources}".encode()).hexdigest()
