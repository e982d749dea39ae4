"""Orders, fills and positions: the words of the ledger of money. Everything here is Decimal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sereno.core.instrument import Instrument, Series
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs

PAPER_ACCOUNT = "paper"
"""The one account whose fills are our own; it is kept apart by mode."""


class Side(StrEnum):
    """Which way a position or an order faces."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return 1 if self is Side.LONG else -1


class OrderPurpose(StrEnum):
    """Entries need the risk gate's yes; exits always pass."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderStatus(StrEnum):
    """Life of an order. An intent is committed as `pending` before anything is sent."""

    PENDING = "pending"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class ExitReason(StrEnum):
    """Why a position was closed."""

    STOP = "stop"
    TARGET = "target"
    TRAILING = "trailing"
    TIME = "time"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a decision fixes of a position besides its levels: settings that change later do not touch it.

    horizon_bars  bars after which it is closed
    trail_quote   distance of its trailing stop; 0 none
    """

    horizon_bars: int
    trail_quote: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """One intent. `order_id` doubles as the client order id, derived from what caused it.

    terms  of an entry; None for an exit, a refusal, and an entry of a release that did not keep them
    """

    order_id: str
    mode: Mode
    account: str
    instrument: Instrument
    purpose: OrderPurpose
    side: Side
    quantity_base: Decimal
    status: OrderStatus
    created_ms: UtcMs
    signal_id: str | None
    position_id: str | None
    reason: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fee_quote` >= 0; `price` already holds the slippage."""

    fill_id: str
    order_id: str
    mode: Mode
    account: str
    instrument: Instrument
    side: Side
    purpose: OrderPurpose
    price: Decimal
    quantity_base: Decimal
    fee_quote: Decimal
    ts: UtcMs


@dataclass(frozen=True, slots=True)
class Position:
    """One round trip from entry to exit; the `exit_*` fields are None while it is open.

    stop         where the protective stop stands now (trailing moves it)
    initial_stop where it stood at entry: the risk that was taken
    best_price   the most favourable price seen so far; the trail hangs from it
    checked_ms   close of the last candle that the rules were applied to
    pnl_quote    net of both fees
    terms        None only where a release opened it that did not keep them: the next run gives it the
                 settings of that moment, for good
    candles_digest  of the candles that the rules were applied to, empty before the first; None where a release
                    opened it that did not keep it: a candle that changes later is not noticed
    """

    position_id: str
    mode: Mode
    account: str
    series: Series
    side: Side
    quantity_base: Decimal
    entry_ms: UtcMs
    entry_price: Decimal
    initial_stop: Decimal
    stop: Decimal
    target: Decimal
    bars_held: int
    best_price: Decimal
    checked_ms: UtcMs
    signal_id: str
    fees_quote: Decimal
    exit_ms: UtcMs | None = None
    exit_price: Decimal | None = None
    exit_reason: ExitReason | None = None
    pnl_quote: Decimal | None = None
    terms: Terms | None = None
    candles_digest: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still carries risk."""
        return self.exit_ms is None


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Account value at a moment: cash, plus open positions at the last close."""

    ts: UtcMs
    mode: Mode
    account: str
    balance_quote: Decimal
    unrealised_quote: Decimal

    @property
    def equity_quote(self) -> Decimal:
        """Balance and unrealised result together."""
        return self.balance_quote + self.unrealised_quote
