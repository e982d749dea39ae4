"""The risk gate: the only maker of `ApprovedOrder`. Entries may be refused; exits always pass.

Size follows from the loss at the stop, costs included, then the notional caps; `risk_limits` keeps the account's
standing with its loss limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal

from sereno.core import position_rules
from sereno.core.errors import Refused, StopTrading
from sereno.core.ids import stable_id
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.mode import Mode
from sereno.core.money import MONEY_PLACES, money, round_money
from sereno.core.order import Order, OrderPurpose, OrderStatus, Position, Side, Terms
from sereno.core.risk import RiskState
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs, iso
from sereno.signals.words import RiskVerdict
from sereno.trading import rules
from sereno.trading.risk_limits import RiskReason
from sereno.trading.rules import Rulebook

__all__ = [
    "AccountView",
    "ApprovedOrder",
    "Commitment",
    "RiskReason",
    "approve_exit",
    "check",
    "entry_order",
    "entry_order_id",
    "propose",
    "size",
    "standing",
    "terms",
]

_PROOF = object()
_SIDES = {Decision.LONG: Side.LONG, Decision.SHORT: Side.SHORT}
_LEAST = Decimal(1).scaleb(-MONEY_PLACES)


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """An order that the gate let through. Brokers accept nothing else; only this file can make one."""

    order: Order
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise StopTrading("order.not_approved", remedy="orders come from trading/risk.py alone")


@dataclass(frozen=True, slots=True)
class Commitment:
    """What an open position or a pending entry ties up."""

    instrument: Instrument
    notional_quote: Decimal


@dataclass(frozen=True, slots=True)
class AccountView:
    """What the gate looks at.

    equity  with unrealised results; None: no account has been opened
    state   None: missing, or unreadable when `state_is_unreadable`
    quote   the currency that its money is in; None: it has not traded yet, so any will do
    """

    mode: Mode
    account: str
    equity: Decimal | None
    state: RiskState | None
    commitments: tuple[Commitment, ...] = ()
    state_is_unreadable: bool = False
    quote: str | None = None


def check(
    signal: Signal,
    view: AccountView,
    *,
    grid: InstrumentRules | None,
    book: Rulebook,
    max_open_positions: int,
) -> ApprovedOrder | Refused:
    """The entry order of a taken signal, or why there is none.

    The levels' distance to the signal's entry is the risk that is sized; `grid` None means that the
    venue's rules are not known.
    """
    if signal.decision is Decision.NO_TRADE or signal.stop is None:
        return Refused(RiskReason.NOT_TAKEN)
    instrument = signal.series.instrument
    if signal.decision is Decision.SHORT and instrument.market is Market.SPOT:
        return Refused(RiskReason.SHORT_NOT_POSSIBLE, "a spot market cannot be sold short")
    sized = size(
        view,
        instrument,
        float(signal.entry),
        float(abs(signal.entry - signal.stop)),
        at=signal.ts,
        grid=grid,
        book=book,
        max_open_positions=max_open_positions,
    )
    if isinstance(sized, Refused):
        return sized
    return ApprovedOrder(entry_order(signal, view, quantity=sized, terms=terms(signal.atr, book)), _PROOF)


def terms(atr: float, book: Rulebook) -> Terms:
    """What today's settings fix of a position that is decided on this average true range."""
    return Terms(book.horizon_bars, money(position_rules.distance(atr, book.trailing_atr)))


def entry_order(
    signal: Signal,
    view: AccountView,
    *,
    quantity: Decimal | None = None,
    terms: Terms | None = None,
    status: OrderStatus = OrderStatus.PENDING,
    reason: str = "",
) -> Order:
    """The one entry order that a signal can have.

    A refused one is kept with the reason and the quantity that the signal proposed, which the ledger
    wants above 0.

    Raises StopTrading for a signal that chose no side.
    """
    side = _SIDES.get(signal.decision)
    if side is None:
        raise StopTrading("signal.without_side", remedy="nothing is entered on it", signal=signal.signal_id)
    order_id = entry_order_id(signal, view.account)
    return Order(
        order_id=order_id,
        mode=view.mode,
        account=view.account,
        instrument=signal.series.instrument,
        purpose=OrderPurpose.ENTRY,
        side=side,
        quantity_base=quantity or signal.position_size or _LEAST,
        status=status,
        created_ms=signal.ts,
        signal_id=signal.signal_id,
        position_id=stable_id("pos", order_id),
        reason=reason,
        terms=terms,
    )


def entry_order_id(signal: Signal, account: str) -> str:
    """Follows from signal and account: the same signal never opens twice."""
    return stable_id("ord", signal.mode, account, signal.signal_id, OrderPurpose.ENTRY)


def approve_exit(position: Position, *, now: UtcMs, reason: str) -> ApprovedOrder:
    """The order that closes a position. It always passes."""
    order = Order(
        order_id=stable_id("ord", position.position_id, OrderPurpose.EXIT),
        mode=position.mode,
        account=position.account,
        instrument=position.series.instrument,
        purpose=OrderPurpose.EXIT,
        side=position.side,
        quantity_base=position.quantity_base,
        status=OrderStatus.PENDING,
        created_ms=now,
        signal_id=position.signal_id,
        position_id=position.position_id,
        reason=reason,
    )
    return ApprovedOrder(order, _PROOF)


def propose(
    view: AccountView,
    instrument: Instrument,
    *,
    close: float,
    atr: float,
    at: UtcMs,
    grid: InstrumentRules | None,
    book: Rulebook,
    max_open_positions: int,
) -> RiskVerdict:
    """What the gate would say to an entry at `close`: for the signal, which keeps size and verdict."""
    if not (math.isfinite(atr) and atr > 0.0):
        return RiskVerdict(False, RiskReason.ATR_MISSING, Decimal(0), "no average true range yet")
    sized = size(
        view,
        instrument,
        round_money(close),
        position_rules.distance(atr, book.stop_atr),
        at=at,
        grid=grid,
        book=book,
        max_open_positions=max_open_positions,
    )
    if isinstance(sized, Refused):
        return RiskVerdict(False, sized.reason, Decimal(0), sized.detail)
    return RiskVerdict(True, "", sized)


def size(
    view: AccountView,
    instrument: Instrument,
    price: float,
    stop_distance: float,
    *,
    at: UtcMs,
    grid: InstrumentRules | None,
    book: Rulebook,
    max_open_positions: int,
) -> Decimal | Refused:
    """Quantity that an entry may have, in whole lots, or the first limit that forbids it."""
    closed = standing(view, at)
    if closed is not None:
        return closed
    if view.quote not in (None, instrument.quote):
        said = f"the account's money is in {view.quote}, {instrument.symbol} is paid in {instrument.quote}"
        return Refused(RiskReason.OTHER_QUOTE, said)
    if any(c.instrument == instrument for c in view.commitments):
        return Refused(RiskReason.POSITION_OPEN, f"{instrument.symbol} is held or about to be")
    if len(view.commitments) >= max_open_positions:
        return Refused(RiskReason.MAX_OPEN_POSITIONS, f"{len(view.commitments)} are open or pending")
    if grid is None or view.equity is None:
        return Refused(RiskReason.RULES_UNKNOWN, f"lot of {instrument.symbol} is not known yet")
    if not rules.is_fine_enough(price):
        return Refused(RiskReason.PRICE_BELOW_GRID, f"a price of {price:g} is too coarse in steps of 1e-8")
    used = float(sum((c.notional_quote for c in view.commitments), Decimal(0)))
    equity = float(view.equity)
    if book.max_exposure_frac * equity - used <= 0.0:
        return Refused(RiskReason.EXPOSURE_FULL, f"{used:.2f} quote are committed")
    lots = rules.lots_of(equity, price, stop_distance, used, book)
    if not rules.is_tradable(rules.quantity_of(lots, book), price, book):
        return Refused(RiskReason.QUANTITY_TOO_SMALL, f"{lots} lots are below the venue's smallest order")
    return rules.exact_quantity(lots, grid)


def standing(view: AccountView, at: UtcMs) -> Refused | None:
    """Why the account may not enter at all at a moment, or None."""
    if view.equity is None:
        return Refused(RiskReason.NO_ACCOUNT, "no account has been opened")
    state = view.state
    if state is None:
        missing = RiskReason.STATE_UNREADABLE if view.state_is_unreadable else RiskReason.STATE_MISSING
        return Refused(missing, "without a risk state nothing is entered")
    if state.blocked_reason is not None:
        return Refused(RiskReason.BLOCKED, state.blocked_reason)
    if state.paused_until_ms is not None and at < state.paused_until_ms:
        return Refused(state.pause_reason or RiskReason.BLOCKED, f"paused until {iso(state.paused_until_ms)}")
    return None
