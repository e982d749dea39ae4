"""The rules of a position, written once: plain functions over numbers.

The paper engine calls them as they are; `trading/kernel.py` compiles the same functions for the
backtest. Prices, fees and results are rounded to the money grid in the same operations in both
worlds, so both get the same trades to the last digit. `sign` is +1 for a long, -1 for a short.

    entry     at the next candle's open, slippage against us; that candle counts as the first bar
    levels    distances are fixed at the decision and hang from the entry's open, so reward:risk is kept
    stop      asked before the target in every bar; an open beyond it fills there, which is worse
    target    a resting limit order: fills at its price, never better, without slippage
    trailing  follows the best price of completed bars only
    time      at the close of the horizon's last bar
    exits     are dated to the close of the bar they happen in: the first moment at which we know
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from sereno.core.instrument import InstrumentRules
from sereno.core.money import round_money
from sereno.core.order import ExitReason
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.timeframe import DAY_MS, Timeframe

HOLD, STOP, TARGET, TIME, TRAILING = 0, 1, 2, 3, 4
EXIT_REASONS = {
    STOP: ExitReason.STOP,
    TARGET: ExitReason.TARGET,
    TIME: ExitReason.TIME,
    TRAILING: ExitReason.TRAILING,
}
_WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS
_HOUR_MS = 3_600_000


class Rulebook(NamedTuple):
    """Every number that the rules need, as float64 and int64, for one instrument and timeframe.

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
    max_age_ms: int
    step_num: float
    step_den: float
    min_quantity: float
    min_notional_quote: float


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
        max_age_ms=int(signals.max_age_bars * timeframe.ms),
        step_num=float(step.numerator),
        step_den=float(step.denominator),
        min_quantity=float(instrument.min_quantity),
        min_notional_quote=float(instrument.min_notional_quote),
    )


def distance(atr: float, multiple: float) -> float:
    """Distance of a level in quote, on the money grid."""
    return round_money(atr * multiple)


def level(reference: float, offset: float) -> float:
    """A level at an offset (with its sign) from the reference."""
    return round_money(reference + offset)


def entry_fill(sign: int, open_: float, slippage_frac: float) -> float:
    """Price of a market entry at an open, slippage against us."""
    return round_money(open_ * (1.0 + sign * slippage_frac))


def exit_fill(sign: int, price: float, slippage_frac: float) -> float:
    """Price of a market exit, slippage against us."""
    return round_money(price * (1.0 - sign * slippage_frac))


def fee(price: float, quantity: float, fee_frac: float) -> float:
    """Fee of one fill in quote."""
    return round_money(price * quantity * fee_frac)


def gross(sign: int, entry: float, price: float, quantity: float) -> float:
    """Result of a position at a price, before fees."""
    return round_money(sign * (price - entry) * quantity)


def bar_exit(
    sign: int,
    open_: float,
    high: float,
    low: float,
    stop: float,
    target: float,
) -> tuple[int, float]:
    """What one bar does to a position: (HOLD, 0), (STOP, price) or (TARGET, price), before slippage.

    With both levels inside the bar the stop is taken: the pessimistic reading.
    """
    if sign > 0:
        if low <= stop:
            return STOP, min(open_, stop)
        if high >= target:
            return TARGET, target
    else:
        if high >= stop:
            return STOP, max(open_, stop)
        if low <= target:
            return TARGET, target
    return HOLD, 0.0


def bar_outcome(
    sign: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    stop: float,
    target: float,
    is_trailed: bool,
    bars_held: int,
    book: Rulebook,
) -> tuple[int, float]:
    """`bar_exit` with the time stop, slippage and the stop's proper name: (code, fill price).

    bars_held  bars including this one
    """
    code, price = bar_exit(sign, open_, high, low, stop, target)
    if code == TARGET:
        return TARGET, price
    if code == STOP:
        return TRAILING if is_trailed else STOP, exit_fill(sign, price, book.slippage_frac)
    if bars_held >= book.horizon_bars:
        return TIME, exit_fill(sign, close, book.slippage_frac)
    return HOLD, 0.0


def better(sign: int, best: float, high: float, low: float) -> float:
    """The best price after a completed bar, on the money grid."""
    return round_money(max(best, high)) if sign > 0 else round_money(min(best, low))


def trailed(sign: int, stop: float, best: float, trail: float) -> float:
    """The stop after a completed bar; it never moves back. `trail` 0 leaves it."""
    if trail <= 0.0:
        return stop
    moved = round_money(best - sign * trail)
    return max(stop, moved) if sign > 0 else min(stop, moved)


def lots_of(equity: float, price: float, stop_distance: float, used_notional: float, book: Rulebook) -> int:
    """Whole lots so that the stop costs `risk_frac` of equity, within the notional caps; 0 is none.

    used_notional  quote already committed to other positions and pending entries
    """
    if equity <= 0.0 or stop_distance <= 0.0 or price <= 0.0:
        return 0
    by_risk = book.risk_frac * equity / stop_distance
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


def day_of(ts: int) -> int:
    """Start of the UTC day that holds a moment."""
    return ts // DAY_MS * DAY_MS


def week_of(ts: int) -> int:
    """Start (Monday) of the UTC week that holds a moment."""
    return (ts - _MONDAY_MS) // _WEEK_MS * _WEEK_MS + _MONDAY_MS


def limit_pause_until(
    day_start_ms: int, day_start: float, week_start_ms: int, week_start: float, equity: float, book: Rulebook
) -> int:
    """Until when the loss limits stop entries at this equity; 0 if no limit is reached."""
    if loss_reached(week_start, equity, book.max_weekly_loss_frac):
        return week_start_ms + _WEEK_MS
    if loss_reached(day_start, equity, book.max_daily_loss_frac):
        return day_start_ms + DAY_MS
    return 0
