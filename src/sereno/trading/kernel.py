"""The backtest's inner loop: the rules of `trading/rules.py` compiled by Numba, without fast-math.

The machine code is cached between runs. Numba's cache looks only at the file of the compiled
function, so the digest of every source that goes in is part of the cached function's closure: a
changed rule is compiled anew.
"""

from __future__ import annotations

import inspect
from hashlib import sha256
from typing import Any

import numpy as np
from numba.extending import register_jitable

from sereno.core import money, timeframe
from sereno.core.compiled import kept
from sereno.trading import rules

_RULES = (
    money.round_money,
    rules.distance,
    rules.level,
    rules.entry_fill,
    rules.exit_fill,
    rules.fee,
    rules.gross,
    rules.bar_exit,
    rules.bar_outcome,
    rules.better,
    rules.trailed,
    rules.lots_of,
    rules.quantity_of,
    rules.is_fine_enough,
    rules.is_tradable,
    rules.loss_reached,
    rules.day_of,
    rules.week_of,
    rules.limit_pause_until,
)
for _rule in _RULES:
    register_jitable(_rule)

(
    _distance,
    _level,
    _entry_fill,
    _fee,
    _gross,
    _bar_outcome,
    _better,
    _trailed,
    _lots_of,
    _quantity_of,
    _is_tradable,
    _day_of,
    _week_of,
    _limit_pause_until,
    _round_money,
) = (
    rules.distance,
    rules.level,
    rules.entry_fill,
    rules.fee,
    rules.gross,
    rules.bar_outcome,
    rules.better,
    rules.trailed,
    rules.lots_of,
    rules.quantity_of,
    rules.is_tradable,
    rules.day_of,
    rules.week_of,
    rules.limit_pause_until,
    money.round_money,
)
_HOLD = rules.HOLD

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
    sources = (inspect.getsource(module) for module in (money, timeframe, rules))
    return sha256("".join(sources).encode()).hexdigest()


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
        day, week = _day_of(open_ms[0]) if bars else 0, _week_of(open_ms[0]) if bars else 0
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
            stop_distance = _distance(atr[i], book.stop_atr)
            reference = _round_money(close[i])
            lots = _lots_of(balance, reference, stop_distance, 0.0, book)
            quantity = _quantity_of(lots, book)
            if not _is_tradable(quantity, reference, book):
                counts[TOO_SMALL] += 1
                i += 1
                continue
            last_taken = now
            i += 1
            if open_ms[i] - now > book.max_age_ms:
                counts[EXPIRED] += 1
                continue
            start = _round_money(open_[i])
            entry_ms = open_ms[i]
            entry = _entry_fill(sign, open_[i], book.slippage_frac)
            entry_fee = _fee(entry, quantity, book.fee_frac)
            initial_stop = _level(start, -sign * stop_distance)
            target = _level(start, sign * _distance(atr[decided], book.target_atr))
            trail = _distance(atr[decided], book.trailing_atr)
            stop = initial_stop
            best = start
            held = 0
            code = _HOLD
            price = 0.0
            while i < bars:
                if open_ms[i] >= day + 86_400_000:
                    day = _day_of(open_ms[i])
                    day_start = equity
                    if day >= week + 604_800_000:
                        week = _week_of(day)
                        week_start = equity
                held += 1
                code, price = _bar_outcome(
                    sign,
                    open_[i],
                    high[i],
                    low[i],
                    close[i],
                    stop,
                    target,
                    stop != initial_stop,
                    held,
                    book,
                )
                if code != _HOLD:
                    break
                unrealised = _round_money(_gross(sign, entry, close[i], quantity) - entry_fee)
                equity = _round_money(balance + unrealised)
                rest = _limit_pause_until(day, day_start, week, week_start, equity, book)
                paused_until = max(paused_until, rest)
                if trail > 0.0:
                    best = _better(sign, best, high[i], low[i])
                    stop = _trailed(sign, stop, best, trail)
                i += 1
            if code == _HOLD:
                counts[STILL_OPEN] += 1
                break
            exit_ms = open_ms[i] + book.bar_ms
            exit_fee = _fee(price, quantity, book.fee_frac)
            pnl = _round_money(_gross(sign, entry, price, quantity) - entry_fee - exit_fee)
            balance = _round_money(balance + pnl)
            equity = balance
            if pnl < 0.0:
                streak += 1
            elif pnl > 0.0:
                streak = 0
            if streak >= book.losing_streak:
                streak = 0
                paused_until = max(paused_until, exit_ms + book.pause_ms)
            rest = _limit_pause_until(day, day_start, week, week_start, equity, book)
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
