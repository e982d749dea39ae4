"""Opens an account, and reads its state out of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from sereno.core.errors import FixConfig, StopTrading
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT, EquityPoint, Order, OrderPurpose, OrderStatus, Position
from sereno.core.risk import RiskState
from sereno.core.timeframe import UtcMs
from sereno.store.ledger import Ledger, Tx, audit, equity, orders, positions, risk_state, signals
from sereno.trading.account_words import AccountState, Held, Pending
from sereno.trading.risk import AccountView, terms
from sereno.trading.risk_limits import opened_state
from sereno.trading.rules import Rulebook

PENDING_LIMIT = 1000
RESTORED = "risk.restored"
_OF_A_HISTORY = tuple(status for status in OrderStatus if status is not OrderStatus.REFUSED)


def open_account(
    ledger: Ledger, *, mode: Mode, account: str = PAPER_ACCOUNT, initial_equity_quote: Decimal, now: UtcMs
) -> bool:
    """Write the first equity point and risk state of a new account; False if it has been opened before.

    An account that has a history but lost its risk state is left alone: without one nothing is
    entered, and only a person may decide to trust it again (`restore_risk_state`).
    """
    with ledger.begin() as tx:
        if _has_history(tx, mode, account):
            return False
        state = opened_state(mode, account, initial_equity_quote, now)
        before = risk_state.load(tx, mode, account)
        if before is not None:  # blocked before it was opened
            state = replace(state, blocked_reason=before.blocked_reason, version=before.version)
        risk_state.save(tx, state, state.version)
        equity.add(tx, EquityPoint(now, mode, account, initial_equity_quote, Decimal(0)))
    return True


def _has_history(tx: Tx, mode: Mode, account: str) -> bool:
    if equity.latest(tx, mode, account) or positions.recent(tx, mode, account, 1):
        return True
    return any(orders.recent(tx, mode, account, 1, status=status) for status in _OF_A_HISTORY)


def fresh_state(tx: Tx, *, mode: Mode, account: str, initial_equity_quote: Decimal, now: UtcMs) -> RiskState:
    """A risk state, not yet kept, to carry a block where there is none: it counts from the newest equity.

    One of an account that has a history is marked as lost: no block may stand in for `restore`. The
    account's own time is that of its equity: the clock of a simulated world may not be running.
    """
    point = equity.latest(tx, mode, account)
    if point is None:
        state = opened_state(mode, account, initial_equity_quote, now)
    else:
        state = opened_state(mode, account, point.equity_quote, point.ts)
    return replace(state, lost_ms=now) if _has_history(tx, mode, account) else state


def restore_risk_state(
    ledger: Ledger, *, mode: Mode, account: str = PAPER_ACCOUNT, now: UtcMs, actor: str
) -> RiskState | None:
    """A person's word that an account that lost its risk state may start a new one from its equity.

    Losses count anew from there, the streak from 0, and no pause is left; a block that was set since stays.
    The change is audited.
    returns  the state as kept; None if there is one that was never lost, which is left as it is

    Raises FixConfig if there is no account, StopTrading if the stored state is unreadable.
    """
    with ledger.begin() as tx:
        point = equity.latest(tx, mode, account)
        if point is None:
            raise FixConfig("account.missing", remedy="open the account first", account=account)
        before = risk_state.load(tx, mode, account)
        if before is not None and before.lost_ms is None:
            return None
        state = opened_state(mode, account, point.equity_quote, point.ts)
        if before is not None:
            state = replace(state, blocked_reason=before.blocked_reason, version=before.version)
        told = {"mode": mode.value, "reason": state.blocked_reason, "equity_quote": f"{point.equity_quote:f}"}
        audit.append(tx, now, actor, RESTORED, account, told)
        return risk_state.save(tx, state, state.version)


def load_account(tx: Tx, *, mode: Mode, account: str) -> AccountState:
    """The account as the ledger has it. Open positions are marked at their entry until a candle is seen."""
    point = equity.latest(tx, mode, account)
    held = (Held(p, mark=float(p.entry_price)) for p in positions.open(tx, mode, account))
    pending = []
    waiting = orders.recent(tx, mode, account, PENDING_LIMIT, status=OrderStatus.PENDING)
    for order in sorted(waiting, key=lambda o: (o.created_ms, o.order_id)):
        signal = None if order.signal_id is None else signals.get(tx, order.signal_id)
        if order.purpose is OrderPurpose.ENTRY and signal is not None:
            pending.append(Pending(order, signal))
    traded = positions.first(tx, mode, account)
    bare = AccountState(
        mode=mode,
        account=account,
        balance=None if point is None else point.balance_quote,
        equity=None if point is None else point.equity_quote,
        risk=None,
        held=tuple(held),
        pending=tuple(pending),
        quote=None if traded is None else traded.series.instrument.quote,
    )
    return with_risk(tx, bare)


def with_terms(tx: Tx, state: AccountState, books: Mapping[Series, Rulebook]) -> AccountState:
    """The account with terms for what a release left open that did not keep them: today's, from now on."""
    return replace(
        state,
        held=tuple(replace(h, position=_position_with_terms(tx, h.position, books)) for h in state.held),
        pending=tuple(replace(p, order=_entry_with_terms(p, books)) for p in state.pending),
    )


def _position_with_terms(tx: Tx, position: Position, books: Mapping[Series, Rulebook]) -> Position:
    """Exits always pass: a position whose signal is gone is held without a trailing stop."""
    if position.terms is not None:
        return position
    signal = signals.get(tx, position.signal_id)
    return replace(position, terms=terms(0.0 if signal is None else signal.atr, books[position.series]))


def _entry_with_terms(waiting: Pending, books: Mapping[Series, Rulebook]) -> Order:
    order, signal = waiting.order, waiting.signal
    return order if order.terms else replace(order, terms=terms(signal.atr, books[signal.series]))


def with_risk(tx: Tx, state: AccountState) -> AccountState:
    """The account with its risk state as it is now; an unreadable one refuses entries, and exits go on."""
    try:
        found = risk_state.load(tx, state.mode, state.account)
    except StopTrading:
        return replace(state, risk=None, risk_is_unreadable=True)
    return replace(state, risk=found, risk_is_unreadable=False)


def account_view(ledger: Ledger, *, mode: Mode, account: str = PAPER_ACCOUNT) -> AccountView:
    """What the risk gate would look at now: for the proposal that a signal carries."""
    with ledger.read() as tx:
        return load_account(tx, mode=mode, account=account).view
