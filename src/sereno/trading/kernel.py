"""The backtest's inner loop: the rules of positions and of accounts compiled by Numba, without fast-math.

The machine code is cached between runs. Numba's cache looks only at the file of the compiled
function, so the digest of every source that goes in is part of the cached function's closure: a
changed rule is compiled anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.compiled import callable_in_loops, kept
from sereno.core.money import round_money
from sereno.core.position_rules import (
    HOLD,
    bar_outcome,
    better,
    distance,
    entry_fill,
    expires,
    fee,
    gross,
    levels,
    net_quote,
    trailed,
)
from sereno.signals.batch import I8
from sereno.trading import rules
from sereno.trading.rules import (
    Rulebook,
    Standing,
    after_exit,
    after_mark,
    is_tradable,
    lots_of,
    opened,
    quantity_of,
    rolled,
)

PAUSED, COOLDOWN, TOO_SMALL, EXPIRED, STILL_OPEN = range(5)
COUNTS = ("paused", "cooldown", "quantity_too_small", "signal_expired", "open_at_end")
_TAKEN = -1
_NEVER = -(2**62)


class Bars(NamedTuple):
    """(n,) columns of candles, with the decision on each: side (+1, -1, 0 none) and average true range."""

    open_ms: I64
    open: F64
    high: F64
    low: F64
    close: F64
    side: I8
    atr: F64


class Rows(NamedTuple):
    """Where closed round trips are written; `trading.backtest.Trades` says what the columns mean."""

    decided_bar: I64
    sign: I64
    entry_ms: I64
    exit_ms: I64
    reason: I64
    bars_held: I64
    lots: I64
    entry_price: F64
    exit_price: F64
    quantity: F64
    initial_stop: F64
    target: F64
    entry_fee: F64
    exit_fee: F64
    pnl: F64
    balance: F64


class Entry(NamedTuple):
    """A position at its entry, with what was fixed at its decision."""

    sign: int
    lots: int
    quantity: float
    price: float
    fee: float
    start: float
    stop: float
    target: float
    trail: float


class Exit(NamedTuple):
    """The bar on which a position ended, how, and how the account stood; HOLD where the candles end first."""

    bar: int
    code: int
    price: float
    bars_held: int
    standing: Standing


def bars_of(candles: Candles, side: I8, atr: F64) -> Bars:
    """Candles and decisions as the loop wants them: one piece of memory a column."""
    columns = (candles.open_ms, candles.open, candles.high, candles.low, candles.close, side, atr)
    made: tuple[Any, ...] = tuple(np.ascontiguousarray(column) for column in columns)
    return Bars(*made)


def empty_rows(count: int) -> Rows:
    """Room for so many round trips."""
    kinds = {F64: np.float64, I64: np.int64}
    return Rows(*(np.empty(count, kinds[kind]) for kind in get_type_hints(Rows).values()))


def waits(now: int, last_taken: int, standing: Standing, book: Rulebook) -> int:
    """Why a decision is not acted on at `now`, as the row of its count; below 0 if it is."""
    if now - last_taken <= book.cooldown_ms:
        return COOLDOWN
    return PAUSED if now < standing.paused_until_ms else _TAKEN


def entered(bars: Bars, decided: int, lots: int, book: Rulebook) -> Entry:
    """The position that a decision opens at the next open."""
    sign: Any = np.int64(bars.side[decided])
    atr, open_ = bars.atr[decided], bars.open[decided + 1]
    quantity = quantity_of(lots, book)
    price = entry_fill(sign, open_, book.slippage_frac)
    start, stop, target = levels(sign, open_, distance(atr, book.stop_atr), distance(atr, book.target_atr))
    paid = fee(price, quantity, book.fee_frac)
    return Entry(sign, lots, quantity, price, paid, start, stop, target, distance(atr, book.trailing_atr))


def held_on(bars: Bars, first: int, entry: Entry, balance: float, standing: Standing, book: Rulebook) -> Exit:
    """The position from its entry's row to its end; the account is marked at each close."""
    equity, stop, best = balance, entry.stop, entry.start
    for i in range(first, len(bars.open_ms)):
        standing = rolled(standing, bars.open_ms[i], equity)
        bars_held = i - first + 1
        code, price = bar_outcome(
            entry.sign,
            bars.open[i],
            bars.high[i],
            bars.low[i],
            bars.close[i],
            stop,
            entry.target,
            stop != entry.stop,
            bars_held >= book.horizon_bars,
            book.slippage_frac,
        )
        if code != HOLD:
            return Exit(i, code, price, bars_held, standing)
        unrealised = round_money(gross(entry.sign, entry.price, bars.close[i], entry.quantity) - entry.fee)
        equity = round_money(balance + unrealised)
        standing = after_mark(standing, bars.open_ms[i] + book.bar_ms, equity, book)
        if entry.trail > 0.0:
            best = better(entry.sign, best, bars.high[i], bars.low[i])
            stop = trailed(entry.sign, stop, best, entry.trail)
    return Exit(len(bars.open_ms), HOLD, 0.0, 0, standing)


def write(
    rows: Rows, k: int, bars: Bars, decided: int, entry: Entry, end: Exit, balance: float, book: Rulebook
) -> None:
    """One closed round trip as row `k`."""
    exit_fee = fee(end.price, entry.quantity, book.fee_frac)
    pnl = net_quote(entry.sign, entry.price, end.price, entry.quantity, entry.fee, exit_fee)
    rows.decided_bar[k] = decided
    rows.sign[k] = entry.sign
    rows.entry_ms[k] = bars.open_ms[decided + 1]
    rows.exit_ms[k] = bars.open_ms[end.bar] + book.bar_ms
    rows.reason[k] = end.code
    rows.bars_held[k] = end.bars_held
    rows.lots[k] = entry.lots
    rows.entry_price[k] = entry.price
    rows.exit_price[k] = end.price
    rows.quantity[k] = entry.quantity
    rows.initial_stop[k] = entry.stop
    rows.target[k] = entry.target
    rows.entry_fee[k] = entry.fee
    rows.exit_fee[k] = exit_fee
    rows.pnl[k] = pnl
    rows.balance[k] = round_money(balance + pnl)


callable_in_loops(waits, entered, held_on, write, inline=True)


def _compiled(sources: str) -> Any:
    def walk(bars: Any, book: Any, balance: float, trades: Any, counts: Any) -> int:
        """One instrument, one position at a time; returns the number of trades written."""
        _ = sources
        last = len(bars.open_ms) - 1
        written = 0
        last_taken: Any = np.int64(_NEVER)
        standing = opened(bars.open_ms[0] if last >= 0 else 0, balance)
        i = 0
        while i < last:
            decided = i
            i += 1
            if bars.side[decided] == 0:
                continue
            now = bars.open_ms[decided] + book.bar_ms
            reason = waits(now, last_taken, standing, book)
            if reason != _TAKEN:
                counts[reason] += 1
                continue
            reference = round_money(bars.close[decided])
            lots = lots_of(balance, reference, distance(bars.atr[decided], book.stop_atr), 0.0, book)
            if not is_tradable(quantity_of(lots, book), reference, book):
                counts[TOO_SMALL] += 1
                continue
            last_taken = now
            if expires(now, bars.open_ms[i], book.bar_ms):
                counts[EXPIRED] += 1
                continue
            entry = entered(bars, decided, lots, book)
            end = held_on(bars, i, entry, balance, standing, book)
            if end.code == HOLD:
                counts[STILL_OPEN] += 1
                break
            write(trades, written, bars, decided, entry, end, balance, book)
            balance, exit_ms = trades.balance[written], trades.exit_ms[written]
            standing = after_exit(end.standing, exit_ms, trades.pnl[written], book)
            standing = after_mark(standing, exit_ms, balance, book)
            written += 1
            i = end.bar
        return written

    return kept(walk)


walk = _compiled(rules.in_loops())
