"""The backtest's inner loop: the rules of positions and of accounts compiled by Numba, without fast-math.

The machine code is cached between runs. Numba's cache looks only at the file of the compiled
function, so the digest of every source that goes in is part of the cached function's closure: a
changed rule is compiled anew.
"""

from __future__ import annotations

import inspect
from hashlib import sha256
from typing import Any

import numpy as np

from sereno.core import position_rules, timeframe
from sereno.core.compiled import callable_in_loops, kept
from sereno.core.money import round_money
from sereno.core.position_rules import (
    HOLD,
    bar_outcome,
    better,
    distance,
    entry_fill,
    fee,
    gross,
    levels,
    net_quote,
    trailed,
)
from sereno.trading import rules
from sereno.trading.rules import (
    day_of,
    is_fine_enough,
    is_tradable,
    limit_pause_until,
    loss_reached,
    lots_of,
    quantity_of,
    streak_after,
    week_of,
)

callable_in_loops(
    day_of,
    is_fine_enough,
    is_tradable,
    limit_pause_until,
    lots_of,
    loss_reached,
    quantity_of,
    streak_after,
    week_of,
)

WHOLE_COLUMNS = ("decided_bar", "sign", "entry_ms", "exit_ms", "reason", "bars_held", "lots")
REAL_COLUMNS = (
    "entry_price",
    "exit_price",
    "quantity",
    "initial_stop",
    "target",
    "entry_fee",
    "exit_fee",
    "pnl",
    "balance",
)
PAUSED, COOLDOWN, TOO_SMALL, EXPIRED, STILL_OPEN = range(5)
COUNTS = ("paused", "cooldown", "quantity_too_small", "signal_expired", "open_at_end")


def _sources_digest() -> str:
    sources = (inspect.getsource(module) for module in (timeframe, rules))
    return sha256("".join((position_rules.in_loops(), *sources)).encode()).hexdigest()


def _compiled(sources: str) -> Any:
    def walk(
        open_ms: Any,
        open_: Any,
        high: Any,
        low: Any,
        close: Any,
        side: Any,
        atr: Any,
        book: Any,
        balance: float,
        whole: Any,
        real: Any,
        counts: Any,
    ) -> int:
        """One instrument, one position at a time; returns the number of trades written."""
        _ = sources
        bars = len(open_ms)
        trades = 0
        last_taken: Any = np.int64(-(2**62))
        paused_until: Any = np.int64(-(2**62))
        streak = 0
        equity = balance
        day, week = day_of(open_ms[0]) if bars else 0, week_of(open_ms[0]) if bars else 0
        day_start = balance
        week_start = balance
        i = 0
        while i < bars - 1:
            sign: Any = np.int64(side[i])
            if sign == 0:
                i += 1
                continue
            now = open_ms[i] + book.bar_ms
            if now - last_taken <= book.cooldown_ms:
                counts[COOLDOWN] += 1
                i += 1
                continue
            if now < paused_until:
                counts[PAUSED] += 1
                i += 1
                continue
            decided = i
            stop_distance = distance(atr[i], book.stop_atr)
            reference = round_money(close[i])
            lots = lots_of(balance, reference, stop_distance, 0.0, book)
            quantity = quantity_of(lots, book)
            if not is_tradable(quantity, reference, book):
                counts[TOO_SMALL] += 1
                i += 1
                continue
            last_taken = now
            i += 1
            if open_ms[i] - now > book.max_age_ms:
                counts[EXPIRED] += 1
                continue
            entry_ms = open_ms[i]
            entry = entry_fill(sign, open_[i], book.slippage_frac)
            entry_fee = fee(entry, quantity, book.fee_frac)
            target_distance = distance(atr[decided], book.target_atr)
            start, initial_stop, target = levels(sign, open_[i], stop_distance, target_distance)
            trail = distance(atr[decided], book.trailing_atr)
            stop = initial_stop
            best = start
            held = 0
            code = HOLD
            price = 0.0
            while i < bars:
                if open_ms[i] >= day + 86_400_000:
                    day = day_of(open_ms[i])
                    day_start = equity
                    if day >= week + 604_800_000:
                        week = week_of(day)
                        week_start = equity
                held += 1
                code, price = bar_outcome(
                    sign,
                    open_[i],
                    high[i],
                    low[i],
                    close[i],
                    stop,
                    target,
                    stop != initial_stop,
                    held >= book.horizon_bars,
                    book.slippage_frac,
                )
                if code != HOLD:
                    break
                unrealised = round_money(gross(sign, entry, close[i], quantity) - entry_fee)
                equity = round_money(balance + unrealised)
                rest = limit_pause_until(day, day_start, week, week_start, equity, book)
                paused_until = max(paused_until, rest)
                if trail > 0.0:
                    best = better(sign, best, high[i], low[i])
                    stop = trailed(sign, stop, best, trail)
                i += 1
            if code == HOLD:
                counts[STILL_OPEN] += 1
                break
            exit_ms = open_ms[i] + book.bar_ms
            exit_fee = fee(price, quantity, book.fee_frac)
            pnl = net_quote(sign, entry, price, quantity, entry_fee, exit_fee)
            balance = round_money(balance + pnl)
            equity = balance
            streak = streak_after(streak, pnl)
            if streak >= book.losing_streak:
                streak = 0
                paused_until = max(paused_until, exit_ms + book.pause_ms)
            rest = limit_pause_until(day, day_start, week, week_start, equity, book)
            paused_until = max(paused_until, rest)
            whole[trades, 0] = decided
            whole[trades, 1] = sign
            whole[trades, 2] = entry_ms
            whole[trades, 3] = exit_ms
            whole[trades, 4] = code
            whole[trades, 5] = held
            whole[trades, 6] = lots
            real[trades, 0] = entry
            real[trades, 1] = price
            real[trades, 2] = quantity
            real[trades, 3] = initial_stop
            real[trades, 4] = target
            real[trades, 5] = entry_fee
            real[trades, 6] = exit_fee
            real[trades, 7] = pnl
            real[trades, 8] = balance
            trades += 1
        return trades

    return kept(walk)


walk = _compiled(_sources_digest())
