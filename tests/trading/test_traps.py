"""Traps of the source systems that stand where orders are made and positions are kept."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.errors import Refused, StopTrading
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.order import ExitReason, Fill, OrderPurpose
from sereno.core.settings.sections import BarrierSettings
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.signals.make import signal_id_of
from sereno.store.ledger import Ledger, fills, open_ledger, orders, positions
from sereno.trading import risk
from sereno.trading.brokers.paper import PaperBroker
from sereno.trading.risk import ApprovedOrder, RiskReason
from tests.trading.test_positions_job import QUIET, advance, bars, everything, keep, ledger
from tests.trading.test_risk import BOOK, GRID, MONDAY, asked, view
from tests.trading.worlds import BTC, START, Slices, new_ledger, opened, refused, signal

__all__ = ["ledger"]
TRAILING = Slices(barriers=BarrierSettings(trailing_atr=1.0, target_atr=9.0))


def test_trap_a30_5_r1_an_order_handed_over_twice_is_one_order_and_one_fill(ledger: Ledger) -> None:
    """A time-out after acceptance must not open twice: the repeat carries the same client id."""
    keep(ledger, signal(MONDAY + HOUR_MS, 1, 100.0, 1.0))
    approved = asked(view())
    assert isinstance(approved, ApprovedOrder)
    order = approved.order
    one = Fill(
        "fil_1", order.order_id, order.mode, order.account, order.instrument, order.side, OrderPurpose.ENTRY,
        Decimal(100), order.quantity_base, Decimal("0.1"), MONDAY + HOUR_MS,
    )  # fmt: skip
    for _ in range(2):
        with ledger.begin() as tx:
            PaperBroker(tx).submit(approved)
            PaperBroker(tx).settle(one)
    with ledger.read() as tx:
        assert [o.order_id for o in orders.recent(tx)] == [order.order_id]
        assert [f.fill_id for f in fills.recent(tx)] == ["fil_1"]


def test_trap_a30_6_a_signal_that_is_neither_long_nor_short_becomes_no_short() -> None:
    silent = refused(signal(MONDAY + HOUR_MS, 1, 100.0, 1.0))
    assert silent.decision is Decision.NO_TRADE
    verdict = risk.check(silent, view(), grid=GRID, book=BOOK, max_open_positions=3)
    assert isinstance(verdict, Refused)
    assert verdict.reason == RiskReason.NOT_TAKEN
    with pytest.raises(StopTrading, match="without_side"):
        risk.entry_order(silent, view())


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -100.0])
def test_trap_a30_6_a_price_that_is_missing_gives_no_size(price: float) -> None:
    """There is no price that stands in for one."""
    words = {"at": MONDAY, "grid": GRID, "book": BOOK, "max_open_positions": 3}
    assert isinstance(risk.size(view(), BTC, 100.0, 1.0, **words), Decimal)
    assert isinstance(risk.size(view(), BTC, price, 1.0, **words), Refused)


@pytest.mark.parametrize("atr", [math.nan, math.inf, 0.0, -1.0])
def test_trap_a30_6_a_range_that_is_missing_gives_no_size(atr: float) -> None:
    said = risk.propose(
        view(), BTC, close=100.0, atr=atr, at=MONDAY, grid=GRID, book=BOOK, max_open_positions=3
    )
    assert (said.allowed, said.reason, said.quantity_base) == (False, RiskReason.ATR_MISSING, Decimal(0))


RISING = [(100.0 + k, 101.2 + k, 99.9 + k, 101.0 + k) for k in range(4)]
FALLS = (104.0, 104.1, 99.6, 99.8)  # through the stop that was moved, not through the first one


@pytest.mark.parametrize("restarts", [False, True])
def test_trap_a30_7_a_stop_that_was_moved_survives_a_restart(tmp_path: Path, restarts: bool) -> None:
    ledger = new_ledger(tmp_path)
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0, barriers=TRAILING.barriers))
    for count in range(1, len(RISING) + 1) if restarts else ():
        advance(ledger, bars(QUIET, *RISING[:count]), slices=TRAILING)
        ledger.close()
        ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    advance(ledger, bars(QUIET, *RISING, FALLS), slices=TRAILING)
    (trip,) = everything(ledger)["positions"]
    ledger.close()
    assert (trip.initial_stop, trip.stop) == (Decimal(99), Decimal("103.2"))
    assert trip.exit_reason is ExitReason.TRAILING
    assert Decimal(103) < trip.exit_price < Decimal("103.2")
    assert trip.pnl_quote > 0


def test_trap_a30_7_r4_nothing_is_entered_without_a_stop() -> None:
    taken = signal(MONDAY + HOUR_MS, 1, 100.0, 1.0)
    bare = replace(taken, stop=None)
    assert isinstance(risk.check(taken, view(), grid=GRID, book=BOOK, max_open_positions=3), ApprovedOrder)
    assert isinstance(risk.check(bare, view(), grid=GRID, book=BOOK, max_open_positions=3), Refused)
    columns = positions.table.c
    assert not any(columns[name].nullable for name in ("initial_stop", "stop", "target"))


def test_trap_ami_b12_3_no_two_causes_share_an_id() -> None:
    """Numbers that were unique for one symbol only collided, and the second was dropped as a repeat."""
    series = [
        Series(Instrument(venue, market, base, "USDT"), timeframe)
        for venue, market, base, timeframe in itertools.product(
            ("binance", "bybit"), Market, ("BTC", "ETH"), (Timeframe.M15, Timeframe.H1)
        )
    ]
    made = [
        replace(signal(ts, 1, 100.0, 1.0), signal_id=signal_id_of(mode, one, ts), series=one, mode=mode)
        for one, mode, ts in itertools.product(series, Mode, (START, START + HOUR_MS))
    ]
    accounts = [replace(view(), account=name) for name in ("paper", "other")]
    orders_made = [risk.entry_order(one, account) for one in made for account in accounts]
    assert len({one.signal_id for one in made}) == len(made) == 16 * len(Mode) * 2
    assert len({order.order_id for order in orders_made}) == len(orders_made)
    assert len({order.position_id for order in orders_made}) == len(orders_made)
