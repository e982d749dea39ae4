"""The engine as a function of (state, event), without a ledger."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from sereno.core import position_rules
from sereno.core.candle import Candle
from sereno.core.mode import Mode
from sereno.core.money import round_money
from sereno.core.timeframe import HOUR_MS
from sereno.trading import risk_limits
from sereno.trading.account_words import (
    AccountState,
    BarClosed,
    Cancel,
    Held,
    KeepPosition,
    Marked,
    SignalTaken,
    Submit,
)
from sereno.trading.engine import SIGNAL_EXPIRED, Limits, step
from sereno.trading.rules import rulebook
from tests.trading.worlds import GRID, HOURLY, START, Slices, position, signal

BOOK = rulebook(HOURLY.timeframe, GRID, **Slices().words())
LIMITS = Limits({HOURLY: BOOK}, {HOURLY: GRID}, 3)
EQUITY = Decimal(10_000)


def account(*held: Held) -> AccountState:
    state = risk_limits.opened_state(Mode.SIM, "paper", EQUITY, START)
    return AccountState(Mode.SIM, "paper", EQUITY, EQUITY, state, held=held)


def bar(hours: int, low: float = 99.5) -> BarClosed:
    return BarClosed(HOURLY, Candle(START + hours * HOUR_MS, 100.0, 100.5, low, 100.0, 1.0))


def test_a_candle_that_was_checked_before_is_not_applied_again() -> None:
    held = Held(position(checked_ms=START + 3 * HOUR_MS, bars_held=3), mark=100.0)
    state, actions = step(account(held), bar(2, low=50.0), LIMITS)
    assert actions == ()
    assert state.held == (held,)
    state, actions = step(state, bar(3), LIMITS)
    (kept,) = actions
    assert isinstance(kept, KeepPosition)
    assert (kept.position.bars_held, kept.position.checked_ms) == (4, START + 4 * HOUR_MS)


def test_a_step_is_a_function_of_its_arguments() -> None:
    made = signal(START + HOUR_MS, 1, 100.0, 1.0)
    before = account()
    first, second = (step(before, SignalTaken(made), LIMITS) for _ in range(2))
    assert first == second
    assert before == account()
    assert isinstance(first[1][0], Submit)


def test_nothing_enters_in_the_bar_of_its_decision() -> None:
    state, _ = step(account(), SignalTaken(signal(START + HOUR_MS, 1, 100.0, 1.0)), LIMITS)
    state, actions = step(state, bar(0), LIMITS)
    assert actions == ()
    state, _ = step(state, bar(1), LIMITS)
    assert state.held[0].position.entry_ms == START + HOUR_MS


def test_an_entry_waits_until_its_last_candle_has_closed_and_no_longer() -> None:
    """It may fill a bar late, and that bar is known only when the next is over."""
    decided_ms = START + HOUR_MS
    state, _ = step(account(), SignalTaken(signal(decided_ms, 1, 100.0, 1.0)), LIMITS)
    last_ms = decided_ms + 3 * HOUR_MS
    waits, actions = step(state, Marked(last_ms), LIMITS)
    assert waits.pending == state.pending
    assert not [one for one in actions if isinstance(one, Cancel)]
    gone, actions = step(waits, Marked(last_ms + 1), LIMITS)
    assert gone.pending == ()
    assert [one.reason for one in actions if isinstance(one, Cancel)] == [SIGNAL_EXPIRED]


def test_a_mark_without_an_account_invents_no_equity() -> None:
    state = replace(account(), balance=None, equity=None)
    assert step(state, Marked(START + HOUR_MS), LIMITS) == (state, ())


def test_a_streak_never_shortens_a_longer_pause() -> None:
    week_end = START + 100 * HOUR_MS
    paused = replace(
        risk_limits.opened_state(Mode.SIM, "paper", EQUITY, START),
        losing_streak=2,
        paused_until_ms=week_end,
        pause_reason="weekly_loss",
    )
    after = risk_limits.after_exit(paused, START, Decimal(-1), BOOK)
    assert (after.paused_until_ms, after.pause_reason) == (week_end, "weekly_loss")


@pytest.mark.parametrize("sign", [1, -1])
def test_trailed_stops_lie_on_the_money_grid_and_never_move_back(sign: int) -> None:
    stop = position_rules.trailed(sign, 100.0 - sign * 5.0, 100.0 + sign * 1 / 3, 1 / 7)
    assert stop == round_money(stop)
    assert position_rules.trailed(sign, stop, 100.0 - sign * 3.0, 0.1) == stop
    assert position_rules.better(sign, 100.0, 100.0 + 1 / 3, 100.0 - 1 / 3) == round_money(100.0 + sign / 3)
