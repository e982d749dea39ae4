"""The risk gate and its state."""

from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sereno
from sereno.core.errors import Refused, StopTrading, TryLater
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.order import OrderPurpose
from sereno.core.risk import RiskState
from sereno.core.settings.sections import RiskSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, from_iso
from sereno.store.ledger import risk_state
from sereno.trading import risk, risk_limits, rules
from sereno.trading.brokers.paper import PaperBroker
from sereno.trading.risk import AccountView, ApprovedOrder, Commitment, check
from sereno.trading.risk_limits import RiskReason
from sereno.trading.rules import rulebook
from tests.trading.worlds import BTC, ETH, GRID, HOURLY, START, Slices, new_ledger, opened, refused, signal

BOOK = rulebook(HOURLY.timeframe, GRID, **Slices().words())
MONDAY = from_iso("2024-03-04")


def state(**other: Any) -> RiskState:
    fresh = risk_limits.opened_state(Mode.SIM, "paper", Decimal(10_000), MONDAY)
    return replace(fresh, **other)


def view(**other: Any) -> AccountView:
    return replace(AccountView(Mode.SIM, "paper", Decimal(10_000), state()), **other)


def asked(about: AccountView, **other: Any) -> ApprovedOrder | Refused:
    words: dict[str, Any] = {"grid": GRID, "book": BOOK, "max_open_positions": 3} | other
    return check(signal(MONDAY + HOUR_MS, 1, 100.0, 1.0), about, **words)


def reason_of(verdict: ApprovedOrder | Refused) -> str:
    assert isinstance(verdict, Refused)
    return str(verdict.reason)


def test_trap_a30_14_only_the_gate_makes_approved_orders() -> None:
    approved = asked(view())
    assert isinstance(approved, ApprovedOrder)
    with pytest.raises(StopTrading, match="not_approved"):
        ApprovedOrder(approved.order, object())
    with pytest.raises(StopTrading, match="not_approved"):
        PaperBroker(None).submit(SimpleNamespace(order=approved.order))  # type: ignore[arg-type]


def test_trap_a30_14_no_other_file_makes_approved_orders() -> None:
    root = Path(sereno.__file__).parent
    makers = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ApprovedOrder"):
                makers.add(path.relative_to(root).as_posix())
            if isinstance(node, ast.Attribute | ast.Name | ast.alias):
                name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", "")
                assert name != "_PROOF" or path.name == "risk.py", path
    assert makers == {"trading/risk.py"}


def test_trap_a12_14_a30_13_every_limit_refuses_by_name() -> None:
    two = (Commitment(ETH, Decimal(100)), Commitment(replace(ETH, base="SOL"), Decimal(100)))
    assert reason_of(asked(view(equity=None))) == "no_account"
    assert reason_of(asked(view(state=None))) == "risk_state_missing"
    assert reason_of(asked(view(state=None, state_is_unreadable=True))) == "risk_state_unreadable"
    assert reason_of(asked(view(state=state(blocked_reason="look at the fills")))) == "blocked"
    assert reason_of(asked(view(commitments=(Commitment(BTC, Decimal(1)),)))) == "position_open"
    assert reason_of(asked(view(commitments=two), max_open_positions=2)) == "max_open_positions"
    assert reason_of(asked(view(), grid=None)) == "instrument_rules_unknown"
    assert reason_of(asked(view(equity=Decimal("0.01")))) == "quantity_too_small"
    assert reason_of(asked(view(quote="BTC"))) == "quote_not_the_accounts"
    assert isinstance(asked(view(quote="USDT")), ApprovedOrder)
    full = (Commitment(ETH, Decimal(10_000)),)
    assert reason_of(asked(view(commitments=full))) == "exposure_full"
    for why in (RiskReason.DAILY_LOSS, RiskReason.WEEKLY_LOSS, RiskReason.LOSING_STREAK):
        paused = state(paused_until_ms=MONDAY + DAY_MS, pause_reason=why.value)
        assert reason_of(asked(view(state=paused))) == why.value


def test_a_refused_signal_and_a_spot_short_are_never_approved() -> None:
    words: dict[str, Any] = {"grid": GRID, "book": BOOK, "max_open_positions": 3}
    assert reason_of(check(refused(signal(MONDAY, 1, 100.0, 1.0)), view(), **words)) == "signal_not_taken"
    spot = Series(Instrument("binance", Market.SPOT, "BTC", "USDT"), Timeframe.H1)
    short = signal(MONDAY, -1, 100.0, 1.0, series=spot)
    assert reason_of(check(short, view(), **words)) == "short_not_possible"


def test_exits_always_pass() -> None:
    from tests.trading.worlds import position

    approved = risk.approve_exit(position(), now=START, reason="stop")
    assert approved.order.purpose is OrderPurpose.EXIT


def test_a_pause_ends_by_time_alone() -> None:
    paused = state(paused_until_ms=MONDAY + HOUR_MS, pause_reason="daily_loss")
    assert risk.standing(view(state=paused), MONDAY + HOUR_MS - 1) is not None
    assert risk.standing(view(state=paused), MONDAY + HOUR_MS) is None


def test_trap_a30_12_a_new_day_clears_no_pause() -> None:
    late = MONDAY + DAY_MS - 600_000
    paused = risk_limits.after_exit(state(losing_streak=2), late, Decimal(-1), BOOK)
    assert paused.paused_until_ms == late + 12 * HOUR_MS
    tomorrow = risk_limits.rolled(paused, MONDAY + DAY_MS, Decimal(9_999))
    assert tomorrow.day_start_ms == MONDAY + DAY_MS
    assert tomorrow.day_start_equity_quote == Decimal(9_999)
    assert (tomorrow.paused_until_ms, tomorrow.pause_reason) == (paused.paused_until_ms, "losing_streak")


def test_the_week_rolls_on_monday_and_the_day_at_utc_midnight() -> None:
    sunday = risk_limits.rolled(state(), MONDAY + 7 * DAY_MS - 1, Decimal(9_000))
    assert sunday.week_start_ms == MONDAY
    monday = risk_limits.rolled(sunday, MONDAY + 7 * DAY_MS, Decimal(8_000))
    assert (monday.week_start_ms, monday.week_start_equity_quote) == (MONDAY + 7 * DAY_MS, Decimal(8_000))
    assert risk_limits.rolled(monday, MONDAY, Decimal(1)) == monday, "time does not go back"


def test_tuesday_keeps_the_weeks_equity_and_both_roads_measure_alike() -> None:
    """The compiled backtest rolls numbers, the engine money: the same days and weeks."""
    numbers, money = rules.opened(MONDAY, 10_000.0), state()
    for day in range(1, 16):
        at, equity = MONDAY + day * DAY_MS, 10_000 - day
        numbers, money = (
            rules.rolled(numbers, at, float(equity)),
            risk_limits.rolled(money, at, Decimal(equity)),
        )
        newest_monday = day // 7 * 7
        assert (numbers.day_start_equity, numbers.week_start_equity) == (equity, 10_000 - newest_monday)
        assert (money.day_start_equity_quote, money.week_start_equity_quote) == (
            equity,
            10_000 - newest_monday,
        )
        assert numbers.week_start_ms == money.week_start_ms == MONDAY + newest_monday * DAY_MS


def test_losses_pause_until_the_next_day_or_week() -> None:
    at = MONDAY + 5 * HOUR_MS
    assert risk_limits.after_mark(state(), at, Decimal("9700.01"), BOOK).paused_until_ms is None
    daily = risk_limits.after_mark(state(), at, Decimal(9_700), BOOK)
    assert (daily.paused_until_ms, daily.pause_reason) == (MONDAY + DAY_MS, "daily_loss")
    weekly = risk_limits.after_mark(daily, at, Decimal(9_300), BOOK)
    assert (weekly.paused_until_ms, weekly.pause_reason) == (MONDAY + 7 * DAY_MS, "weekly_loss")
    recovered = risk_limits.after_mark(weekly, at + HOUR_MS, Decimal(12_000), BOOK)
    assert recovered.paused_until_ms == weekly.paused_until_ms, "a recovery does not lift it"


def test_trap_c12_10_the_streak_breaker_can_clear_without_trades() -> None:
    now = state()
    for _ in range(3):
        now = risk_limits.after_exit(now, MONDAY, Decimal(-1), BOOK)
    assert (now.losing_streak, now.paused_until_ms) == (0, MONDAY + 12 * HOUR_MS)
    once_more = risk_limits.after_exit(now, MONDAY + DAY_MS, Decimal(-1), BOOK)
    assert once_more.paused_until_ms == now.paused_until_ms, "one loss after the pause is no new streak"


def test_break_even_leaves_the_streak_and_a_win_ends_it() -> None:
    assert risk_limits.after_exit(state(losing_streak=2), MONDAY, Decimal(0), BOOK).losing_streak == 2
    assert risk_limits.after_exit(state(losing_streak=2), MONDAY, Decimal(1), BOOK).losing_streak == 0


def test_trap_a30_11_lost_update(tmp_path: Path) -> None:
    """A writer that read an older state is refused instead of wiping the newer one's pause."""
    ledger = new_ledger(tmp_path)
    opened(ledger, now=MONDAY)
    with ledger.read() as tx:
        stale = risk_state.load(tx, Mode.SIM, "paper")
    assert stale is not None
    with ledger.begin() as tx:
        paused = replace(stale, paused_until_ms=MONDAY + DAY_MS, pause_reason="losing_streak")
        risk_state.save(tx, paused, stale.version)
    with pytest.raises(TryLater, match="stale"), ledger.begin() as tx:
        risk_state.save(tx, risk_limits.rolled(stale, MONDAY + DAY_MS, Decimal(1)), stale.version)
    with ledger.read() as tx:
        kept = risk_state.load(tx, Mode.SIM, "paper")
    assert kept is not None
    assert kept.pause_reason == "losing_streak"
    ledger.close()


@pytest.mark.parametrize(
    ("name", "value", "smaller"),
    [
        ("risk_per_trade_frac", 0.001, True),
        ("max_position_frac", 0.05, True),
        ("max_exposure_frac", 0.05, True),
        ("max_position_frac", 0.9, False),
    ],
)
def test_trap_e4_3_every_size_setting_has_an_effect(name: str, value: float, smaller: bool) -> None:
    usual, changed = asked(view()), None
    book = rulebook(HOURLY.timeframe, GRID, **Slices(risk=RiskSettings(**{name: value})).words())
    changed = asked(view(), book=book)
    assert isinstance(usual, ApprovedOrder)
    assert isinstance(changed, ApprovedOrder)
    before, after = usual.order.quantity_base, changed.order.quantity_base
    assert after < before if smaller else after > before


@pytest.mark.parametrize("sign", [1, -1])
def test_trap_c12_8_a_pause_stops_both_sides(sign: int) -> None:
    paused = view(state=state(paused_until_ms=MONDAY + DAY_MS, pause_reason="daily_loss"))
    made = signal(MONDAY + HOUR_MS, sign, 100.0, 1.0)
    assert reason_of(check(made, paused, grid=GRID, book=BOOK, max_open_positions=3)) == "daily_loss"


def test_trap_b12_10_a_new_account_may_enter_without_any_history() -> None:
    assert isinstance(asked(view()), ApprovedOrder)


@pytest.mark.parametrize("atr", [float("nan"), 0.0])
def test_the_proposal_without_a_range_is_a_refusal(atr: float) -> None:
    found = risk.propose(
        view(), BTC, close=100.0, atr=atr, at=MONDAY, grid=GRID, book=BOOK, max_open_positions=3
    )
    assert (found.allowed, found.reason, found.quantity_base) == (False, "atr_missing", 0)


def test_the_proposal_says_what_the_gate_will_say() -> None:
    found = risk.propose(
        view(), BTC, close=100.0, atr=1.0, at=MONDAY, grid=GRID, book=BOOK, max_open_positions=3
    )
    approved = asked(view())
    assert isinstance(approved, ApprovedOrder)
    assert (found.allowed, found.quantity_base) == (True, approved.order.quantity_base)
