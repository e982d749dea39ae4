"""The paper engine: a function of (state, event). It touches nothing; its caller performs the actions.

For each moment at which candles close the events come in one order: every bar, then the mark, then
the signals decided on those bars. An entry approved at a signal fills at the open of the next bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import assert_never

from sereno.core import position_rules
from sereno.core.candle import Candle, Candles
from sereno.core.errors import Refused, StopTrading
from sereno.core.ids import stable_id
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.money import money, round_money
from sereno.core.order import EquityPoint, Fill, Order, OrderStatus, Position, Terms
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.trading import risk, risk_limits, rules
from sereno.trading.account_words import (
    AccountState,
    Action,
    BarClosed,
    Cancel,
    CandlesChanged,
    Event,
    Held,
    KeepEquity,
    KeepPosition,
    Marked,
    NoteChange,
    Pending,
    Refuse,
    Settle,
    SignalTaken,
    Submit,
)
from sereno.trading.changed import digest_after
from sereno.trading.risk import AccountView, ApprovedOrder
from sereno.trading.rules import Rulebook

SIGNAL_EXPIRED = "signal_expired"
SIGNAL_LATE = "signal_late"
CANDLE_CHANGED = "candle_changed"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine is bound by: a rulebook per series, the venue's grid, and the count of positions."""

    books: Mapping[Series, Rulebook]
    grids: Mapping[Series, InstrumentRules]
    max_open_positions: int

    @property
    def any_book(self) -> Rulebook:
        """Account-wide limits are the same in every book."""
        return next(iter(self.books.values()))


def step(state: AccountState, event: Event, limits: Limits) -> tuple[AccountState, tuple[Action, ...]]:
    """The account after an event, and what is to be done about it."""
    match event:
        case BarClosed():
            return _on_bar(state, event, limits)
        case CandlesChanged():
            return _on_change(state, event, limits)
        case Marked():
            return _on_mark(state, event, limits)
        case SignalTaken():
            return _on_signal(state, event, limits)
        case _:
            assert_never(event)


def unrealised(held: Held) -> Decimal:
    """Result of an open position at its mark; the entry's fee has left the balance already."""
    p = held.position
    return money(position_rules.gross(p.side.sign, float(p.entry_price), held.mark, float(p.quantity_base)))


def _on_bar(state: AccountState, event: BarClosed, limits: Limits) -> tuple[AccountState, tuple[Action, ...]]:
    if state.risk is not None and state.equity is not None:
        state = replace(state, risk=risk_limits.rolled(state.risk, event.candle.open_ms, state.equity))
    actions: list[Action] = []
    for waiting in state.pending:
        if waiting.signal.series == event.series and event.candle.open_ms >= waiting.signal.ts:
            state, done = _enter(state, waiting, event, limits.books[event.series])
            actions.extend(done)
    for held in state.held:
        position = held.position
        if position.series == event.series and position.checked_ms <= event.candle.open_ms:
            state, done = _check(state, held, event, limits.books[event.series])
            actions.extend(done)
    return state, tuple(actions)


def _enter(
    state: AccountState, waiting: Pending, event: BarClosed, book: Rulebook
) -> tuple[AccountState, tuple[Action, ...]]:
    state = replace(state, pending=tuple(p for p in state.pending if p is not waiting))
    signal, order, candle = waiting.signal, waiting.order, event.candle
    expired = position_rules.expires(signal.ts, candle.open_ms, book.bar_ms)
    if expired or signal.stop is None or signal.target is None:
        return state, (Cancel(order.order_id, SIGNAL_EXPIRED),)
    sign = order.side.sign
    price = position_rules.entry_fill(sign, candle.open, book.slippage_frac)
    paid = position_rules.fee(price, float(order.quantity_base), book.fee_frac)
    start, stop, target = position_rules.levels(
        sign, candle.open, float(abs(signal.entry - signal.stop)), float(abs(signal.target - signal.entry))
    )
    fill = _fill(order, price=price, paid=paid, ts=candle.open_ms)
    position = Position(
        position_id=order.position_id or stable_id("pos", order.order_id),
        mode=state.mode,
        account=state.account,
        series=event.series,
        side=order.side,
        quantity_base=order.quantity_base,
        entry_ms=candle.open_ms,
        entry_price=fill.price,
        initial_stop=money(stop),
        stop=money(stop),
        target=money(target),
        bars_held=0,
        best_price=money(start),
        checked_ms=candle.open_ms,
        signal_id=signal.signal_id,
        fees_quote=fill.fee_quote,
        terms=order.terms,
        candles_digest="",
    )
    held = Held(position, mark=start)
    state = replace(
        state,
        held=(*state.held, held),
        balance=None if state.balance is None else state.balance - fill.fee_quote,
        quote=state.quote or event.series.instrument.quote,
    )
    return state, (Settle(fill), KeepPosition(position))


def _check(
    state: AccountState, held: Held, event: BarClosed, book: Rulebook
) -> tuple[AccountState, tuple[Action, ...]]:
    position, code, price = _applied(held.position, event.candle, book)
    if code != position_rules.HOLD:
        return _leave(state, held, position, price, code, book)
    kept = replace(held, position=position, mark=event.candle.close)
    return _with(state, held, kept), (KeepPosition(position),)


def _applied(position: Position, candle: Candle, book: Rulebook) -> tuple[Position, int, float]:
    """The position after a candle, and how and at which price it ends; (HOLD, 0) if it does not."""
    bars_held, sign, terms = position.bars_held + 1, position.side.sign, _terms(position)
    code, price = position_rules.bar_outcome(
        sign,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        float(position.stop),
        float(position.target),
        position.stop != position.initial_stop,
        bars_held >= terms.horizon_bars,
        book.slippage_frac,
    )
    known = position.candles_digest
    position = replace(
        position,
        bars_held=bars_held,
        checked_ms=candle.open_ms + book.bar_ms,
        candles_digest=None if known is None else digest_after(known, candle),
    )
    if code != position_rules.HOLD:
        return position, code, price
    best = position_rules.better(sign, float(position.best_price), candle.high, candle.low)
    stop = position_rules.trailed(sign, float(position.stop), best, float(terms.trail_quote))
    return replace(position, best_price=money(best), stop=money(stop)), code, price


def _on_change(
    state: AccountState, event: CandlesChanged, limits: Limits
) -> tuple[AccountState, tuple[Action, ...]]:
    """The rules over a position's candles as they are now. What is recorded of the past stays as it is.

    One that would have ended ends now, at the worse of that price and the present one: knowing it late is
    never an advantage. One that would not goes on as they leave it; a stop never moves back.
    """
    held = next(h for h in state.held if h.position.position_id == event.position_id)
    before, book = held.position, limits.books[held.position.series]
    anew, code, level = _from_entry(before, event.candles, book)
    sign = before.side.sign
    if code == position_rules.HOLD:
        stop = max(before.stop, anew.stop) if sign > 0 else min(before.stop, anew.stop)
        after = replace(anew, stop=stop, checked_ms=before.checked_ms)
        note = NoteChange(before, after, event.ts, len(event.candles), None)
        return _with(state, held, replace(held, position=after)), (KeepPosition(after), note)
    if state.risk is not None and state.equity is not None:
        state = replace(state, risk=risk_limits.rolled(state.risk, event.ts - 1, state.equity))
    now = position_rules.exit_fill(sign, event.price, book.slippage_frac)
    price = min(level, now) if sign > 0 else max(level, now)
    late = replace(anew, bars_held=len(event.candles), checked_ms=event.ts)
    state, done = _leave(state, held, late, price, code, book, cause=CANDLE_CHANGED)
    after = next(action.position for action in done if isinstance(action, KeepPosition))
    return state, (*done, NoteChange(before, after, event.ts, len(event.candles), money(level)))


def _from_entry(position: Position, candles: Candles, book: Rulebook) -> tuple[Position, int, float]:
    """`_applied` from a position's entry over all of these candles, up to where it ends."""
    anew = replace(
        position,
        bars_held=0,
        stop=position.initial_stop,
        best_price=money(round_money(float(candles.open[0]))),
        checked_ms=position.entry_ms,
        candles_digest="",
    )
    code, price = position_rules.HOLD, 0.0
    for candle in candles:
        anew, code, price = _applied(anew, candle, book)
        if code != position_rules.HOLD:
            break
    return anew, code, price


def _with(state: AccountState, held: Held, kept: Held) -> AccountState:
    return replace(state, held=tuple(kept if h is held else h for h in state.held))


def _terms(position: Position) -> Terms:
    if position.terms is None:
        raise StopTrading("position.without_terms", position_id=position.position_id)
    return position.terms


def _leave(
    state: AccountState,
    held: Held,
    position: Position,
    price: float,
    code: int,
    book: Rulebook,
    *,
    cause: str = "",
) -> tuple[AccountState, tuple[Action, ...]]:
    reason, quantity = rules.EXIT_REASONS[code], float(position.quantity_base)
    told = f"{cause}:{reason}" if cause else reason.value
    approved = risk.approve_exit(position, now=position.checked_ms, reason=told)
    paid = position_rules.fee(price, quantity, book.fee_frac)
    fill = _fill(approved.order, price=price, paid=paid, ts=position.checked_ms)
    pnl = money(
        position_rules.net_quote(
            position.side.sign,
            float(position.entry_price),
            price,
            quantity,
            float(position.fees_quote),
            paid,
        )
    )
    closed = replace(
        position,
        exit_ms=position.checked_ms,
        exit_price=fill.price,
        exit_reason=reason,
        pnl_quote=pnl,
        fees_quote=position.fees_quote + fill.fee_quote,
    )
    state = replace(
        state,
        held=tuple(h for h in state.held if h is not held),
        balance=None if state.balance is None else state.balance + pnl + position.fees_quote,
        risk=None
        if state.risk is None
        else risk_limits.after_exit(state.risk, position.checked_ms, pnl, book),
    )
    return state, (Submit(approved), Settle(fill), KeepPosition(closed))


def _on_mark(state: AccountState, event: Marked, limits: Limits) -> tuple[AccountState, tuple[Action, ...]]:
    expired = tuple(
        p for p in state.pending if event.ts - p.signal.ts > _patience_ms(limits.books.get(p.signal.series))
    )
    withdrawn = tuple(Cancel(p.order.order_id, SIGNAL_EXPIRED) for p in expired)
    state = replace(state, pending=tuple(p for p in state.pending if p not in expired))
    if state.balance is None:
        return state, withdrawn
    open_result = sum((unrealised(h) for h in state.held), Decimal(0))
    point = EquityPoint(event.ts, state.mode, state.account, state.balance, open_result)
    state = replace(state, equity=point.equity_quote)
    if state.risk is not None:
        state = replace(
            state, risk=risk_limits.after_mark(state.risk, event.ts, point.equity_quote, limits.any_book)
        )
    return state, (*withdrawn, KeepEquity(point))


def _patience_ms(book: Rulebook | None) -> int:
    """How long an entry waits for its candle to close; one whose series is gone does not wait."""
    return 0 if book is None else (position_rules.ENTRY_WAIT_BARS + 2) * book.bar_ms


def _on_signal(
    state: AccountState, event: SignalTaken, limits: Limits
) -> tuple[AccountState, tuple[Action, ...]]:
    signal, view = event.signal, state.view
    verdict = risk.check(
        signal,
        view,
        grid=limits.grids.get(signal.series),
        book=limits.books[signal.series],
        max_open_positions=limits.max_open_positions,
    )
    match verdict:
        case Refused(reason=reason):
            return state, (refusal(signal, view, str(reason)),)
        case ApprovedOrder() as approved:
            state = replace(state, pending=(*state.pending, Pending(approved.order, signal)))
            return state, (Submit(approved),)
        case _:
            assert_never(verdict)


def refusal(signal: Signal, view: AccountView, reason: str) -> Refuse:
    """The record of a signal that leads to no entry."""
    return Refuse(risk.entry_order(signal, view, status=OrderStatus.REFUSED, reason=reason))


def _fill(order: Order, *, price: float, paid: float, ts: UtcMs) -> Fill:
    return Fill(
        fill_id=stable_id("fil", order.order_id),
        order_id=order.order_id,
        mode=order.mode,
        account=order.account,
        instrument=order.instrument,
        side=order.side,
        purpose=order.purpose,
        price=money(price),
        quantity_base=order.quantity_base,
        fee_quote=money(paid),
        ts=ts,
    )
