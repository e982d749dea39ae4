"""The rules of a position, written once: plain functions over numbers.

The paper engine calls them as they are; the backtest's and the labels' loops call them compiled
(`in_loops`). Prices, fees and results are rounded to the money grid in the same operations in every
world, so all get the same trades to the last digit. `sign` is +1 for a long, -1 for a short.

    entry     at the next candle's open, slippage against us; that candle counts as the first bar. One
              missing candle is waited for, after more of them the entry expires
    levels    distances are fixed at the decision and hang from the entry's open, so reward:risk is kept
    stop      asked before the target in every bar; an open beyond it fills there, which is worse
    target    a resting limit order: fills at its price, never better, without slippage
    trailing  follows the best price of completed bars only
    time      at the close of the horizon's last bar
    exits     are dated to the close of the bar they happen in: the first moment at which we know
"""

from __future__ import annotations

import sys
from hashlib import sha256
from inspect import getsource

from sereno.core import compiled, money
from sereno.core.money import round_money

HOLD, STOP, TARGET, TIME, TRAILING = 0, 1, 2, 3, 4
ENTRY_WAIT_BARS = 1


def expires(decided_ms: int, open_ms: int, bar_ms: int) -> bool:
    """Whether the first candle after a decision opens too late for its entry."""
    return open_ms - decided_ms > ENTRY_WAIT_BARS * bar_ms


def distance(atr: float, multiple: float) -> float:
    """Distance of a level in quote, on the money grid."""
    return round_money(atr * multiple)


def level(reference: float, offset: float) -> float:
    """A level at an offset (with its sign) from the reference."""
    return round_money(reference + offset)


def levels(
    sign: int, open_: float, stop_distance: float, target_distance: float
) -> tuple[float, float, float]:
    """(start, stop, target) of a position entered at an open; the start is that open on the money grid."""
    start = round_money(open_)
    return start, level(start, -sign * stop_distance), level(start, sign * target_distance)


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


def net_quote(
    sign: int, entry: float, price: float, quantity: float, entry_fee: float, exit_fee: float
) -> float:
    """Result of a round trip between two fills net of both fees, in quote."""
    return round_money(gross(sign, entry, price, quantity) - entry_fee - exit_fee)


def net_unit(sign: int, entry: float, price: float, fee_frac: float) -> float:
    """Result of a round trip of one unit of base between two fills net of both fees, in quote."""
    return sign * (price - entry) - fee_frac * (entry + price)


def net_frac(sign: int, entry: float, price: float, fee_frac: float) -> float:
    """The same as a fraction of the entry."""
    return net_unit(sign, entry, price, fee_frac) / entry


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
    is_last_bar: bool,
    slippage_frac: float,
) -> tuple[int, float]:
    """`bar_exit` with the time stop, slippage and the stop's proper name: (code, fill price).

    is_last_bar  the horizon ends with this bar
    """
    code, price = bar_exit(sign, open_, high, low, stop, target)
    if code == TARGET:
        return TARGET, price
    if code == STOP:
        return TRAILING if is_trailed else STOP, exit_fill(sign, price, slippage_frac)
    if is_last_bar:
        return TIME, exit_fill(sign, close, slippage_frac)
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


RULES = (
    round_money,
    expires,
    distance,
    level,
    levels,
    entry_fill,
    exit_fill,
    fee,
    gross,
    net_quote,
    net_unit,
    net_frac,
    bar_exit,
    bar_outcome,
    better,
    trailed,
)


def in_loops() -> str:
    """Let compiled loops call the rules; the digest of their sources, which such a loop keeps by it."""
    compiled.callable_in_loops(*RULES)
    return sha256(f"{getsource(money)}{getsource(sys.modules[__name__])}".encode()).hexdigest()
