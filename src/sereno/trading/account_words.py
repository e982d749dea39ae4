"""The words of the paper engine: an account's state, the events it sees, the actions it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from sereno.core.candle import Candle, Candles
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.money import money
from sereno.core.order import EquityPoint, Fill, Order, Position
from sereno.core.risk import RiskState
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.trading.risk import AccountView, ApprovedOrder, Commitment


@dataclass(frozen=True, slots=True)
class Pending:
    """An approved entry that waits for its candle."""

    order: Order
    signal: Signal


@dataclass(frozen=True, slots=True)
class Held:
    """An open position, with the close that marks it."""

    position: Position
    mark: float


@dataclass(frozen=True, slots=True)
class AccountState:
    """Everything that the rules of an account depend on.

    balance  initial equity, less every fee paid, plus the gross result of every closed position; None:
             the account was never opened
    equity   at the last mark
    quote    of its first position: the currency that it counts in; None: it had none yet
    """

    mode: Mode
    account: str
    balance: Decimal | None
    equity: Decimal | None
    risk: RiskState | None
    risk_is_unreadable: bool = False
    held: tuple[Held, ...] = ()
    pending: tuple[Pending, ...] = ()
    quote: str | None = None

    @property
    def view(self) -> AccountView:
        """What the risk gate looks at."""
        open_now = (
            Commitment(
                h.position.series.instrument,
                money(abs(h.mark * float(h.position.quantity_base))),
            )
            for h in self.held
        )
        soon = (
            Commitment(p.order.instrument, money(float(p.order.quantity_base * p.signal.entry)))
            for p in self.pending
        )
        return AccountView(
            self.mode,
            self.account,
            self.equity,
            self.risk,
            (*open_now, *soon),
            self.risk_is_unreadable,
            self.quote or next((p.order.instrument.quote for p in self.pending), None),
        )


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A candle of a series is over."""

    series: Series
    candle: Candle


@dataclass(frozen=True, slots=True)
class CandlesChanged:
    """Candles that an open position was checked on came late, or were corrected.

    candles  all of its series from its entry to where it was checked, as they are now
    ts       when the account sees it
    price    newest close at that moment
    """

    position_id: str
    candles: Candles
    ts: UtcMs
    price: float


@dataclass(frozen=True, slots=True)
class Marked:
    """All bars that close at `ts` have been seen."""

    ts: UtcMs


@dataclass(frozen=True, slots=True)
class SignalTaken:
    """A LONG or SHORT was decided on a bar that closed at the present moment."""

    signal: Signal


Event: TypeAlias = BarClosed | CandlesChanged | Marked | SignalTaken


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand an order to the broker."""

    approved: ApprovedOrder


@dataclass(frozen=True, slots=True)
class Settle:
    """Record an order's execution."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Cancel:
    """Withdraw a pending entry."""

    order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Record that the gate refused an entry."""

    order: Order


@dataclass(frozen=True, slots=True)
class KeepPosition:
    """Record a position as it stands."""

    position: Position


@dataclass(frozen=True, slots=True)
class KeepEquity:
    """Record the account's value."""

    point: EquityPoint


@dataclass(frozen=True, slots=True)
class NoteChange:
    """Record that candles changed under a position: as it was before, and what became of it.

    bars       candles from its entry to where it was checked, as they are now
    level      the price at which it would have ended, had they been there in time; None: it would not have
    """

    before: Position
    after: Position
    ts: UtcMs
    bars: int
    level: Decimal | None


Action: TypeAlias = Submit | Settle | Cancel | Refuse | KeepPosition | KeepEquity | NoteChange
