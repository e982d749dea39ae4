"""The risk state: no write is lost, and nothing unreadable is taken for a clean slate."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from sereno.core.errors import StopTrading, TryLater
from sereno.core.mode import Mode
from sereno.store.ledger import Ledger, open_ledger, risk_state
from tests.store.ledger_examples import DAY, NO_FLOAT, at_once, risk


def test_a_state_comes_back_with_the_next_version(ledger: Ledger) -> None:
    paused = risk(paused_until_ms=DAY + 5, pause_reason="losses", blocked_reason="by hand", losing_streak=3)
    with ledger.begin() as tx:
        assert risk_state.load(tx, Mode.PAPER, "paper") is None
        first = risk_state.save(tx, paused, 0)
        assert first == replace(paused, version=1)
        second = risk_state.save(tx, replace(first, losing_streak=4), first.version)
        assert (
            risk_state.load(tx, Mode.PAPER, "paper") == second == replace(paused, losing_streak=4, version=2)
        )
        assert risk_state.load(tx, Mode.LIVE, "paper") is None
        assert str(second.day_start_equity_quote) == str(NO_FLOAT)


def test_trap_a30_11_lost_update(ledger: Ledger) -> None:
    """A stale copy saved over a cool-down used to make the cool-down vanish."""
    with ledger.begin() as tx:
        stale = fresh = risk_state.save(tx, risk(), 0)
    with ledger.begin() as tx:
        risk_state.save(tx, replace(fresh, paused_until_ms=DAY + 99, pause_reason="losses"), fresh.version)
    with pytest.raises(TryLater, match="risk_state.stale"), ledger.begin() as tx:
        risk_state.save(tx, replace(stale, losing_streak=1), stale.version)
    with ledger.read() as tx:
        kept = risk_state.load(tx, Mode.PAPER, "paper")
    assert kept is not None
    assert (kept.pause_reason, kept.paused_until_ms, kept.version) == ("losses", DAY + 99, 2)


def test_a_first_state_is_written_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        risk_state.save(tx, risk(), 0)
        with pytest.raises(TryLater, match="risk_state.stale"):
            risk_state.save(tx, risk(losing_streak=9), 0)


COUNT = """
from dataclasses import replace
from sereno.core.errors import TryLater
from sereno.core.mode import Mode
from sereno.store.ledger import open_ledger, risk_state
ledger = open_ledger(sys.argv[1], busy_timeout_s=30)
go()
done = stale = 0
while done < 25:
    with ledger.read() as tx:
        state = risk_state.load(tx, Mode.PAPER, "paper")
    try:
        with ledger.begin() as tx:
            risk_state.save(tx, replace(state, losing_streak=state.losing_streak + 1), state.version)
        done += 1
    except TryLater:
        stale += 1
ledger.close()
print("done")
"""


def test_trap_a30_11_no_update_of_two_processes_is_lost(fresh_url: str) -> None:
    ledger = open_ledger(fresh_url)
    with ledger.begin() as tx:
        risk_state.save(tx, risk(), 0)
    assert at_once(COUNT, [fresh_url], [fresh_url]) == ["done", "done"]
    with ledger.read() as tx:
        state = risk_state.load(tx, Mode.PAPER, "paper")
    ledger.close()
    assert state is not None
    assert (state.losing_streak, state.version) == (50, 51)


SQLITE_DAMAGE = [
    "day_start_equity_quote = 'a lot'",
    "week_start_equity_quote = 'NaN'",
    "week_start_equity_quote = ''",
    "week_start_ms = day_start_ms + 1",
    "losing_streak = -1",
    "version = 0",
    "mode = 'paper '",
]


@pytest.mark.parametrize("damage", SQLITE_DAMAGE)
def test_r3_an_unreadable_state_is_never_a_clean_slate(ledger: Ledger, damage: str) -> None:
    if ledger.dialect == "postgresql" and ("'a lot'" in damage or "''" in damage):
        damage = "day_start_equity_quote = 'Infinity'"  # the only nonsense that NUMERIC takes
    with ledger.begin() as tx:
        risk_state.save(tx, risk(blocked_reason="seen something"), 0)
    with ledger.begin() as tx:
        if ledger.dialect == "sqlite":
            tx.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            for name in ("mode_word", "losing_streak_not_negative", "version_counts"):
                tx.exec_driver_sql(f"ALTER TABLE risk_state DROP CONSTRAINT {name}")
        tx.exec_driver_sql(f"UPDATE risk_state SET {damage}")
    with ledger.read() as tx:
        if "mode" in damage:  # a row that no longer is this account's: as if it never was
            assert risk_state.load(tx, Mode.PAPER, "paper") is None
            return
        with pytest.raises(StopTrading, match="risk_state.unreadable") as caught:
            risk_state.load(tx, Mode.PAPER, "paper")
    assert "no entries" in str(caught.value)


def test_a_bankrupt_account_is_a_state_like_others(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        state = risk_state.save(tx, risk(day_start_equity_quote=Decimal("-3.5")), 0)
        assert risk_state.load(tx, Mode.PAPER, "paper") == state
