"""Orders, fills and positions: exact to the last digit, said once, and final when they are over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.errors import StopTrading, TryLater
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.order import EquityPoint, ExitReason, OrderStatus, Position
from sereno.core.timeframe import Timeframe
from sereno.store.ledger import Ledger, equity, fills, open_ledger, orders, positions, signals
from tests.store.ledger_examples import DAY, ETH, HOURLY, NO_FLOAT, fill, order, populate, position, signal

AMOUNTS = st.decimals(
    min_value=Decimal("1E-18"), max_value=Decimal("1E20"), allow_nan=False, allow_infinity=False, places=18
)


def closed(one: Position) -> Position:
    return replace(
        one,
        exit_ms=DAY + 1,
        exit_price=Decimal("0.1") + Decimal("0.2"),
        exit_reason=ExitReason.TARGET,
        pnl_quote=Decimal("-0.00000001"),
        bars_held=3,
    )


def test_the_whole_road_comes_back_as_it_was(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        populate(tx)
    with ledger.read() as tx:
        assert orders.get(tx, "o1") == order()
        assert fills.get(tx, "f1") == fill()
        assert positions.get(tx, "p1") == position()
        assert positions.get(tx, "p2") is None


def test_trap_a30_10_ami_b12_15_money_that_no_float_carries_comes_back_to_the_last_digit(
    ledger: Ledger,
) -> None:
    assert Decimal(float(NO_FLOAT)) != NO_FLOAT
    with ledger.begin() as tx:
        populate(tx)
        found = fills.get(tx, "f1")
    assert found is not None
    assert str(found.price) == str(NO_FLOAT)
    assert str(found.fee_quote) == "0.3"


@settings(
    derandomize=True,
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    amounts=st.lists(AMOUNTS, min_size=1, max_size=8), signs=st.lists(st.booleans(), min_size=8, max_size=8)
)
def test_any_amount_is_kept_exactly(ledger: Ledger, amounts: list[Decimal], signs: list[bool]) -> None:
    signed = [amount if plus else -amount for amount, plus in zip(amounts, signs, strict=False)]
    points = [EquityPoint(ts, Mode.SIM, "a", amount, -amount) for ts, amount in enumerate(signed)]
    with ledger.begin() as tx:
        for point in points:
            equity.add(tx, point)
    with ledger.read() as tx:
        found = equity.series(tx, Mode.SIM, "a")[: len(points)]
    assert [p.balance_quote.as_tuple() for p in found] == [p.balance_quote.as_tuple() for p in points]
    assert found == points


def test_sqlite_holds_money_as_text(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    with ledger.begin() as tx:
        populate(tx)
        kinds = tx.exec_driver_sql("SELECT typeof(price), typeof(fee_quote), price FROM fills").one()
    ledger.close()
    assert tuple(kinds) == ("text", "text", str(NO_FLOAT))


@pytest.mark.postgres
def test_postgres_holds_money_as_numeric(postgres_url: str) -> None:
    ledger = open_ledger(postgres_url)
    with ledger.begin() as tx:
        populate(tx)
        kind = tx.exec_driver_sql("SELECT pg_typeof(price)::text FROM fills").scalar()
    ledger.close()
    assert kind == "numeric"


@pytest.mark.parametrize("amount", [0.1, 1, Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_amount_of_money_is_refused(ledger: Ledger, amount: object) -> None:
    with pytest.raises(StopTrading, match="ledger.not_writable_value"), ledger.begin() as tx:
        equity.add(tx, EquityPoint(DAY, Mode.SIM, "a", amount, Decimal(0)))  # type: ignore[arg-type]


def test_an_order_is_said_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, signal())
        assert orders.add(tx, order())
        assert not orders.add(tx, order())
        orders.set_status(tx, "o1", OrderStatus.FILLED)
        assert not orders.add(tx, order())
        with pytest.raises(StopTrading, match="order.differs"):
            orders.add(tx, replace(order(), quantity_base=Decimal(1)))
        assert [one.order_id for one in orders.recent(tx, Mode.PAPER, "paper")] == ["o1"]


def test_an_order_comes_to_one_end(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, signal())
        orders.add(tx, order())
        assert orders.set_status(tx, "o1", OrderStatus.CANCELLED, "too late")
        assert not orders.set_status(tx, "o1", OrderStatus.CANCELLED)
        for status in (OrderStatus.FILLED, OrderStatus.PENDING):
            with pytest.raises(StopTrading, match="order.status_is_final"):
                orders.set_status(tx, "o1", status)
        with pytest.raises(StopTrading, match="order.unknown"):
            orders.set_status(tx, "o2", OrderStatus.FILLED)
        ended = replace(order(), status=OrderStatus.CANCELLED, reason="too late")
        assert orders.recent(tx, status=OrderStatus.CANCELLED) == [ended]


def test_a_fill_is_counted_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, signal())
        orders.add(tx, order())
        assert fills.add(tx, fill())
        assert not fills.add(tx, fill())
        with pytest.raises(StopTrading, match="fill.differs"):
            fills.add(tx, fill(price=Decimal(2)))
        later = replace(fill("f2"), ts=DAY + 5)
        assert fills.add(tx, later)
        assert fills.recent(tx, Mode.PAPER, "paper") == [later, fill()]
        assert fills.recent(tx, since=DAY + 1) == [later]
        assert fills.recent(tx, Mode.LIVE) == []


def test_a_fill_needs_its_order_and_an_order_its_signal(ledger: Ledger) -> None:
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        fills.add(tx, fill())
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        orders.add(tx, order())


def test_a_position_needs_its_signal_and_a_signal_opens_one(ledger: Ledger) -> None:
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        positions.save(tx, position())
    with ledger.begin() as tx:
        signals.save(tx, signal())
        positions.save(tx, position())
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        positions.save(tx, position("p2"))


def test_trap_ami_b12_6_an_open_position_moves_and_a_closed_one_does_not(ledger: Ledger) -> None:
    moved = replace(position(), stop=Decimal("1.5"), bars_held=2, checked_ms=DAY + 1)
    with ledger.begin() as tx:
        signals.save(tx, signal())
        for one in (position(), position(), moved):
            positions.save(tx, one)
        assert positions.open(tx, Mode.PAPER, "paper") == [moved]
        positions.save(tx, closed(moved))
        positions.save(tx, closed(moved))
        assert positions.open(tx, Mode.PAPER, "paper") == []
        for again in (moved, replace(closed(moved), pnl_quote=Decimal(1))):
            with pytest.raises(StopTrading, match="position.closed"):
                positions.save(tx, again)
        assert positions.get(tx, "p1") == closed(moved)


def test_a_position_that_is_locked_stays_as_it_was_read(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        populate(tx)
    other = open_ledger(ledger.engine.url.render_as_string(hide_password=False), busy_timeout_s=0.05)
    with ledger.begin() as tx:
        assert positions.get_locked(tx, "p1") == position()
        assert positions.get_locked(tx, "p2") is None
        with pytest.raises(TryLater), other.begin() as second:
            positions.save(second, replace(position(), bars_held=9))
    other.close()


def test_what_the_entry_fixed_does_not_change(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        signals.save(tx, signal())
        positions.save(tx, position())
        with pytest.raises(StopTrading, match=r"position.entry_changed.*initial_stop"):
            positions.save(tx, replace(position(), initial_stop=Decimal("0.5")))


def test_positions_are_listed_by_entry_or_by_exit(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        for number in range(3):
            signals.save(tx, signal(f"s{number}"))
            positions.save(tx, replace(position(f"p{number}", signal_id=f"s{number}"), entry_ms=DAY + number))
        for number, exit_ms in ((0, DAY + 50), (1, DAY + 40)):
            one = positions.get(tx, f"p{number}")
            assert one is not None
            positions.save(tx, replace(closed(one), exit_ms=exit_ms))
        listed = positions.recent(tx, Mode.PAPER, "paper", 2)
        ended = positions.recent(tx, Mode.PAPER, "paper", 10, closed_only=True)
        assert [one.position_id for one in listed] == ["p2", "p1"]
        assert [one.position_id for one in ended] == ["p0", "p1"]
        assert positions.recent(tx, Mode.PAPER, "other") == []


@pytest.mark.parametrize("ids", [("p1", "p2"), ("p2", "p1")])
def test_exits_of_one_moment_come_as_the_engine_makes_them_the_last_first(
    ledger: Ledger, ids: tuple[str, str]
) -> None:
    """By series, whatever their ids, which are hashes."""
    both = (HOURLY, Series(ETH, Timeframe.H1))
    with ledger.begin() as tx:
        for one, series in zip(ids, both, strict=True):
            signals.save(tx, signal(one, series=series))
            positions.save(tx, closed(replace(position(one, signal_id=one), series=series)))
        ended = positions.recent(tx, Mode.PAPER, "paper", closed_only=True)
    assert [one.series for one in ended] == list(reversed(both))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fills SET price = '1'",
        "DELETE FROM fills",
        "UPDATE orders SET status = 'pending'",
        "DELETE FROM orders",
        "UPDATE positions SET exit_ms = NULL, exit_price = NULL, exit_reason = NULL, pnl_quote = NULL",
        "DELETE FROM positions",
    ],
)
def test_trap_b12_18_history_is_sealed_by_the_database_itself(ledger: Ledger, statement: str) -> None:
    with ledger.begin() as tx:
        populate(tx)
        orders.set_status(tx, "o1", OrderStatus.FILLED)
        positions.save(tx, closed(position()))
    with pytest.raises(StopTrading, match="sealed"), ledger.begin() as tx:
        tx.exec_driver_sql(statement.replace("'1'", "'1'" if ledger.dialect == "sqlite" else "1"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE positions SET exit_ms = 1",
        "UPDATE positions SET mode = 'dream'",
        "UPDATE positions SET bars_held = -1",
        "UPDATE orders SET quantity_base = '0'",
        "UPDATE orders SET status = 'perhaps'",
    ],
)
def test_rows_that_cannot_be_true_are_refused_by_the_database(ledger: Ledger, statement: str) -> None:
    with ledger.begin() as tx:
        populate(tx)
    with pytest.raises(StopTrading, match="ledger.broken_rule"), ledger.begin() as tx:
        tx.exec_driver_sql(statement)
