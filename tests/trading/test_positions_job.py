"""The job that advances an account: kill-safe, idempotent, and closed to entries when in doubt."""

from __future__ import annotations

import os
import signal as signals_of_the_system
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sereno.core.candle import Candle, Candles
from sereno.core.errors import TryLater
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.order import ExitReason, OrderPurpose, OrderStatus, Terms
from sereno.core.settings.sections import BarrierSettings, RiskSettings
from sereno.core.timeframe import HOUR_MS, Timeframe, from_iso
from sereno.store.ledger import Ledger, equity, fills, orders, positions, risk_state
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import open_account, restore_risk_state
from sereno.trading.positions_job import Advanced, advance_account
from tests.trading.worlds import (
    BTC,
    ETH,
    HOURLY,
    START,
    Slices,
    coin_flips,
    keep_signals,
    new_ledger,
    opened,
    signal,
    walk,
)

SIM = Mode.SIM
QUIET = (100.0, 100.4, 99.6, 100.0)


def bars(*rows: tuple[float, float, float, float], start: int = START) -> Candles:
    made = (Candle(start + k * HOUR_MS, *row, 1.0) for k, row in enumerate(rows))
    return Candles.of(Timeframe.H1, made)


def advance(
    ledger: Ledger | Any,
    candles: Candles | dict[Series, Candles],
    now: int | None = None,
    *,
    slices: Slices | None = None,
) -> Advanced:
    worlds = candles if isinstance(candles, dict) else {HOURLY: candles}
    latest = max(int(c.close_ms[-1]) for c in worlds.values() if len(c))
    return advance_account(
        ledger,
        lambda series, since, until: worlds[series].between(since, until),
        latest if now is None else now,
        mode=SIM,
        series=tuple(worlds),
        **(slices or Slices()).words(),
    )


def keep(ledger: Ledger, *made: Any) -> None:
    with ledger.begin() as tx:
        for one in made:
            assert kept_signals.save(tx, one)


def everything(ledger: Ledger) -> dict[str, Any]:
    with ledger.read() as tx:
        state = risk_state.load(tx, SIM, "paper")
        return {
            "orders": orders.recent(tx, SIM, "paper", 10_000),
            "fills": fills.recent(tx, SIM, "paper", 10_000),
            "positions": positions.recent(tx, SIM, "paper", 10_000),
            "equity": equity.series(tx, SIM, "paper"),
            "risk": state,
        }


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = new_ledger(tmp_path)
    yield made
    made.close()


class Killed(BaseException):
    """Stands for kill -9 inside one process."""


class Fragile:
    """A ledger whose process dies at one transaction boundary: before its commit, or right after it."""

    def __init__(self, ledger: Ledger, dies_at: int) -> None:
        self._ledger, self._left = ledger, dies_at
        self.read = ledger.read

    @contextmanager
    def begin(self) -> Iterator[Any]:
        with self._ledger.begin() as tx:
            yield tx
            self._left -= 1
            if self._left == 0:
                raise Killed
        self._left -= 1
        if self._left == 0:
            raise Killed


def test_killed_at_every_boundary_the_account_ends_the_same(tmp_path: Path) -> None:
    candles = walk(4, 70)
    side, atr = coin_flips(4, candles)
    ledgers = []
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        made = new_ledger(tmp_path / name)
        opened(made, now=int(candles.open_ms[0]))
        keep_signals(made, candles, side, atr)
        ledgers.append(made)
    whole, killed = ledgers
    advance(whole, candles)
    deaths = 0
    for dies_at in range(1, 1000):
        try:
            advance(Fragile(killed, 1 + dies_at % 4), candles)
        except Killed:
            deaths += 1
            continue
        break
    assert deaths > 30
    advance(killed, candles)
    expected, found = everything(whole), everything(killed)
    assert found == expected
    assert any(not p.is_open for p in found["positions"])
    whole.close()
    killed.close()


CHILD = """
import os, sys
from contextlib import contextmanager
from pathlib import Path
from sereno.store.ledger import open_ledger
from tests.trading.test_positions_job import advance
from tests.trading.worlds import walk
ledger = open_ledger(f"sqlite:///{Path(sys.argv[1]) / 'ledger.sqlite3'}")
begin, left = ledger.begin, int(sys.argv[2])
class Dying:
    read = ledger.read
    @contextmanager
    def begin(self):
        global left
        with begin() as tx:
            yield tx
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
advance(Dying(), walk(4, 40))
"""


def test_a_real_kill_leaves_a_ledger_that_goes_on(tmp_path: Path) -> None:
    candles = walk(4, 40)
    side, atr = coin_flips(4, candles)
    ledger = new_ledger(tmp_path)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    root = Path(__file__).resolve().parents[2]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), "17"], cwd=root, env=os.environ, timeout=60, check=False
    )
    assert child.returncode == -signals_of_the_system.SIGKILL
    before = everything(ledger)
    assert len(before["equity"]) == 17  # the first point and sixteen whole moments
    advance(ledger, candles)
    after = everything(ledger)
    assert len(after["equity"]) == len(candles) + 1
    entries = [o for o in after["orders"] if o.purpose is OrderPurpose.ENTRY]
    assert len({o.signal_id for o in entries}) == len(entries)
    ledger.close()


def test_a_setting_that_changes_leaves_an_open_position_as_it_was_decided(ledger: Ledger) -> None:
    """Ten bars held with a horizon of twenty: a horizon of five closed it at the next bar."""
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    slices = Slices(barriers=BarrierSettings(horizon_bars=20, trailing_atr=3.0))
    advance(ledger, bars(*[QUIET] * 11), slices=slices)
    shorter = Slices(barriers=BarrierSettings(horizon_bars=5, trailing_atr=0.1))
    advance(ledger, bars(*[QUIET] * 20), slices=shorter)
    (held,) = everything(ledger)["positions"]
    assert (held.is_open, held.bars_held, held.stop) == (True, 19, held.initial_stop)
    assert held.terms == Terms(20, Decimal("3.0"))
    advance(ledger, bars(*[QUIET] * 21), slices=shorter)
    (gone,) = everything(ledger)["positions"]
    assert (gone.exit_reason, gone.bars_held) == (ExitReason.TIME, 20)


def test_a_setting_that_changes_leaves_an_entry_that_waits_as_it_was_decided(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(QUIET), slices=Slices(barriers=BarrierSettings(horizon_bars=20)))
    advance(ledger, bars(*[QUIET] * 8), slices=Slices(barriers=BarrierSettings(horizon_bars=5)))
    (held,) = everything(ledger)["positions"]
    assert (held.is_open, held.bars_held) == (True, 7)
    keep(ledger, signal(START + 30 * HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(*[QUIET] * 31), slices=Slices(barriers=BarrierSettings(horizon_bars=5)))
    newest = max(everything(ledger)["positions"], key=lambda p: p.entry_ms)
    assert newest.terms.horizon_bars == 5, "a new position has the new terms"


def test_a_position_without_terms_takes_the_settings_of_the_next_run_for_good(ledger: Ledger) -> None:
    """An older release kept none."""
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(QUIET, QUIET))
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE positions SET horizon_bars = NULL, trail_quote = NULL")
    first = Slices(barriers=BarrierSettings(horizon_bars=9, trailing_atr=2.5))
    advance(ledger, bars(QUIET, QUIET, QUIET), slices=first)
    later = Slices(barriers=BarrierSettings(horizon_bars=3))
    advance(ledger, bars(*[QUIET] * 8), slices=later)
    (held,) = everything(ledger)["positions"]
    assert (held.is_open, held.bars_held, held.terms) == (True, 7, Terms(9, Decimal("2.5")))


def test_an_entry_without_terms_takes_them_at_its_fill(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(QUIET))
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE orders SET horizon_bars = NULL, trail_quote = NULL")
    advance(ledger, bars(QUIET, QUIET), slices=Slices(barriers=BarrierSettings(horizon_bars=9)))
    (held,) = everything(ledger)["positions"]
    assert held.terms == Terms(9, Decimal(0))


def test_running_again_changes_nothing(ledger: Ledger) -> None:
    candles = walk(2, 60)
    side, atr = coin_flips(2, candles)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    assert advance(ledger, candles).opened > 0
    before = everything(ledger)
    again = advance(ledger, candles)
    assert (again.opened, again.closed, again.approved) == (0, 0, 0)
    assert everything(ledger) == before


def test_trap_a30_5_the_same_signal_never_opens_twice(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    hit = (100.0, 103.0, 99.5, 102.0)
    advance(ledger, bars(QUIET, hit))
    for extra in range(2, 6):
        advance(ledger, bars(QUIET, hit, *[QUIET] * extra))
    found = everything(ledger)
    assert len(found["positions"]) == 1
    assert found["positions"][0].exit_reason is ExitReason.TARGET


def test_trap_a30_5_r1_the_intent_is_committed_before_the_fill(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    first = advance(ledger, bars(QUIET))
    (order,) = everything(ledger)["orders"]
    assert (order.status, first.approved, everything(ledger)["fills"]) == (OrderStatus.PENDING, 1, [])
    advance(ledger, bars(QUIET, QUIET))
    found = everything(ledger)
    assert found["orders"][0].status is OrderStatus.FILLED
    assert [f.order_id for f in found["fills"]] == [order.order_id]
    assert found["fills"][0].ts == START + HOUR_MS


@pytest.mark.parametrize("lost", ["missing", "unreadable"])
def test_r3_without_a_risk_state_nothing_is_entered_and_exits_pass(ledger: Ledger, lost: str) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(QUIET, QUIET))
    with ledger.begin() as tx:
        if lost == "missing":
            tx.exec_driver_sql("DELETE FROM risk_state")
        else:
            tx.exec_driver_sql("UPDATE risk_state SET day_start_equity_quote = 'much'")
    later = START + 3 * HOUR_MS
    keep(ledger, signal(later, 1, 100.0, 1.0), signal(later + HOUR_MS, 1, 100.0, 1.0))
    done = advance(ledger, bars(QUIET, QUIET, (100.0, 103.0, 99.5, 101.0), QUIET, QUIET))
    with ledger.read() as tx:
        (trip,) = positions.recent(tx, SIM, "paper")
    assert trip.exit_reason is ExitReason.TARGET
    assert done.reasons == {f"risk_state_{lost}": 2}
    if lost == "missing":
        assert not open_account(ledger, mode=SIM, initial_equity_quote=Decimal(5), now=later), (
            "an account with a history is never opened silently again"
        )
        restore_risk_state(ledger, mode=SIM, now=later, actor="cli:me")
        keep(ledger, signal(START + 5 * HOUR_MS, 1, 100.0, 1.0))
        assert advance(ledger, bars(QUIET, QUIET, QUIET, QUIET, QUIET, QUIET)).approved == 1


def test_an_account_that_was_never_opened_enters_nothing(ledger: Ledger) -> None:
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    done = advance(ledger, bars(QUIET, QUIET))
    assert done.reasons == {"no_account": 1} or done.reasons == {"signal_late": 1}
    assert everything(ledger)["positions"] == []
    opened(ledger, now=START + 2 * HOUR_MS)  # refusals are no history


def test_trap_a12_14_a_signal_whose_entry_candle_is_over_is_refused_as_late(ledger: Ledger) -> None:
    opened(ledger)
    advance(ledger, bars(QUIET, QUIET, QUIET))
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    assert advance(ledger, bars(QUIET, QUIET, QUIET, QUIET)).reasons == {"signal_late": 1}
    (order,) = everything(ledger)["orders"]
    assert (order.status, order.reason) == (OrderStatus.REFUSED, "signal_late")


@pytest.mark.parametrize("hours", [1, 40, 400])
def test_a_signal_that_was_never_treated_is_refused_as_late_however_old_it_is(
    ledger: Ledger, hours: int
) -> None:
    """Signals older than fifty bars were lost without a word."""
    opened(ledger)
    advance(ledger, bars(*[QUIET] * 402))
    late = signal(START + hours * HOUR_MS, 1, 100.0, 1.0)
    gone = signal(START + hours * HOUR_MS, 1, 100.0, 1.0, series=Series(ETH, Timeframe.H1))
    keep(ledger, late, gone)
    done = advance(ledger, bars(*[QUIET] * 403))
    assert done.reasons == {"signal_late": 2}
    told = {(o.signal_id, o.status, o.reason) for o in everything(ledger)["orders"]}
    assert told == {(one.signal_id, OrderStatus.REFUSED, "signal_late") for one in (late, gone)}
    assert advance(ledger, bars(*[QUIET] * 404)).reasons == {}


def test_a_look_back_bounds_which_signals_are_answered(ledger: Ledger) -> None:
    opened(ledger)
    candles = bars(*[QUIET] * 60)
    advance(ledger, candles)
    keep(ledger, signal(START + 9 * HOUR_MS, 1, 100.0, 1.0), signal(START + 10 * HOUR_MS, 1, 100.0, 1.0))
    words = {"mode": SIM, "series": (HOURLY,), **Slices().words()}
    done = advance_account(
        ledger,
        lambda series, since, until: candles.between(since, until),
        int(candles.close_ms[-1]),
        look_back_bars=50,
        **words,
    )
    assert done.reasons == {"signal_late": 1}
    assert [o.created_ms for o in everything(ledger)["orders"]] == [START + 10 * HOUR_MS]


def test_signals_of_a_series_no_longer_traded_wait_until_they_are_late(ledger: Ledger) -> None:
    opened(ledger)
    advance(ledger, bars(QUIET, QUIET))
    fresh = signal(START + 2 * HOUR_MS, 1, 100.0, 1.0, series=Series(ETH, Timeframe.H1))
    keep(ledger, fresh)
    assert advance(ledger, bars(QUIET, QUIET)).reasons == {}
    assert advance(ledger, bars(QUIET, QUIET, QUIET)).reasons == {}
    assert advance(ledger, bars(QUIET, QUIET, QUIET, QUIET)).reasons == {"signal_late": 1}


def test_an_entry_whose_candle_never_comes_expires(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    far = bars(QUIET)
    gap = bars(QUIET, start=START + 10 * HOUR_MS)
    joined = Candles.of(Timeframe.H1, [*far, *gap])
    done = advance(ledger, joined)
    (order,) = everything(ledger)["orders"]
    assert (done.cancelled, order.status, order.reason) == (1, OrderStatus.CANCELLED, "signal_expired")


def test_two_instruments_share_the_limits(ledger: Ledger) -> None:
    opened(ledger)
    other = Series(ETH, Timeframe.H1)
    at = START + HOUR_MS
    keep(ledger, signal(at, 1, 100.0, 1.0), signal(at, 1, 100.0, 1.0, series=other))
    slices = Slices(risk=RiskSettings(max_open_positions=1))
    done = advance(ledger, {HOURLY: bars(QUIET, QUIET), other: bars(QUIET, QUIET)}, slices=slices)
    assert (done.approved, done.reasons) == (1, {"max_open_positions": 1})


def test_an_account_trades_in_the_currency_of_its_first_position_for_good(tmp_path: Path) -> None:
    """A hundred thousand ETH were bought with a balance of USDT."""
    ethbtc = Instrument("binance", Market.LINEAR, "ETH", "BTC")
    other = Series(ethbtc, Timeframe.H1)
    ledger = new_ledger(tmp_path, instruments_known=(BTC, ETH, ethbtc))
    opened(ledger)
    crash = (100.0, 100.1, 90.0, 95.0)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    keep(ledger, *(signal(START + hours * HOUR_MS, 1, 0.05, 0.001, series=other) for hours in (1, 2, 4)))
    far = [(0.05, 0.0501, 0.0499, 0.05)] * 5
    worlds = {HOURLY: bars(QUIET, QUIET, crash, QUIET, QUIET), other: bars(*far)}
    done = advance(ledger, worlds)
    assert (done.closed, done.reasons) == (1, {"quote_not_the_accounts": 3})
    keep(ledger, signal(START + 5 * HOUR_MS, 1, 0.05, 0.001, series=other))
    worlds = {series: bars(*rows, *rows[:1]) for series, rows in ((HOURLY, [QUIET] * 5), (other, far))}
    assert advance(ledger, worlds).reasons == {"quote_not_the_accounts": 1}, "read from the ledger anew"
    ledger.close()


def test_exposure_is_shared(ledger: Ledger) -> None:
    opened(ledger)
    other = Series(ETH, Timeframe.H1)
    at = START + HOUR_MS
    keep(ledger, signal(at, 1, 100.0, 0.1), signal(at, 1, 100.0, 0.1, series=other))
    slices = Slices(risk=RiskSettings(max_position_frac=0.5, max_exposure_frac=0.6))
    advance(ledger, {HOURLY: bars(QUIET, QUIET), other: bars(QUIET, QUIET)}, slices=slices)
    sizes = sorted(
        float(o.quantity_base * 100) for o in everything(ledger)["orders"] if o.purpose is OrderPurpose.ENTRY
    )
    assert sizes == [pytest.approx(1000.0), pytest.approx(5000.0)]


def test_a_late_candle_of_one_instrument_does_not_hold_the_other_up(ledger: Ledger) -> None:
    opened(ledger)
    other = Series(ETH, Timeframe.H1)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0, series=other))
    advance(ledger, {HOURLY: bars(QUIET, QUIET), other: bars(QUIET, QUIET)})
    advance(ledger, {HOURLY: bars(*[QUIET] * 5), other: bars(QUIET, QUIET)})
    hit = (100.0, 103.0, 99.5, 102.0)
    done = advance(ledger, {HOURLY: bars(*[QUIET] * 5), other: bars(QUIET, QUIET, hit)})
    found = everything(ledger)
    assert done.closed == 1
    assert found["positions"][0].exit_ms == START + 3 * HOUR_MS
    assert found["equity"][-1].balance_quote == Decimal(10_000) + found["positions"][0].pnl_quote


def test_a_position_of_a_series_no_longer_traded_is_still_looked_after(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))
    advance(ledger, bars(QUIET, QUIET))
    candles = bars(QUIET, QUIET, (100.0, 100.1, 90.0, 95.0))
    done = advance_account(
        ledger,
        lambda series, since, until: candles.between(since, until),
        int(candles.close_ms[-1]),
        mode=SIM,
        series=(),
        **Slices().words(),
    )
    assert done.closed == 1


def test_two_processes_on_one_account_are_noticed(ledger: Ledger) -> None:
    opened(ledger)
    candles = bars(QUIET, QUIET, QUIET)

    class Overtaken:
        read = ledger.read
        turns = 0

        @contextmanager
        def begin(self) -> Iterator[Any]:
            self.turns += 1
            if self.turns == 2:
                advance(ledger, candles)
            with ledger.begin() as tx:
                yield tx

    with pytest.raises(TryLater, match="advanced_elsewhere"):
        advance(Overtaken(), candles)


def test_two_processes_that_answer_one_signal_at_once_are_noticed(ledger: Ledger) -> None:
    """Seen on a running desk: the account stands at the signal's moment, so that the clock tells nothing.

    The slower one must try later; taking its answer for a damaged ledger froze the account for days.
    """
    opened(ledger)
    candles = bars(QUIET)
    advance(ledger, candles)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0))

    class Overtaken:
        read = ledger.read
        overtaken = False

        @contextmanager
        def begin(self) -> Iterator[Any]:
            if not self.overtaken:
                self.overtaken = True
                assert advance(ledger, candles).approved == 1
            with ledger.begin() as tx:
                yield tx

    with pytest.raises(TryLater, match="advanced_elsewhere"):
        advance(Overtaken(), candles)
    assert len(everything(ledger)["orders"]) == 1


def test_trap_a30_12_r3_a_stop_survives_restart_and_midnight(tmp_path: Path) -> None:
    """A streak that fills at 23:00 pauses twelve hours, over midnight and a new process."""
    day = from_iso("2024-03-04")
    start = day + 20 * HOUR_MS
    ledger = new_ledger(tmp_path)
    opened(ledger, now=start)
    slices = Slices(risk=RiskSettings(losing_streak=1, losing_streak_pause_h=12))
    keep(ledger, signal(start + HOUR_MS, 1, 100.0, 1.0))
    crash = (100.0, 100.1, 98.0, 99.0)
    advance(ledger, bars(QUIET, crash, start=start), slices=slices)
    ledger.close()
    ledger = new_ledger(tmp_path, instruments_known=())
    for hours in (4, 5, 13):
        keep(ledger, signal(start + hours * HOUR_MS, 1, 100.0, 1.0))
    done = advance(ledger, bars(QUIET, crash, *[QUIET] * 11, start=start), slices=slices)
    assert done.reasons == {"losing_streak": 3}
    keep(ledger, signal(start + 14 * HOUR_MS, 1, 100.0, 1.0))
    assert advance(ledger, bars(QUIET, crash, *[QUIET] * 12, start=start), slices=slices).approved == 1
    ledger.close()


def test_the_daily_loss_counts_unrealised_results_and_ends_with_the_day(ledger: Ledger) -> None:
    start = from_iso("2024-03-04") + 10 * HOUR_MS
    opened(ledger, now=start)
    other = Series(ETH, Timeframe.H1)
    slices = Slices(
        risk=RiskSettings(risk_per_trade_frac=0.02, max_daily_loss_frac=0.019, max_weekly_loss_frac=0.1)
    )
    slices = replace(slices, barriers=slices.barriers.model_copy(update={"horizon_bars": 100}))
    keep(ledger, signal(start + HOUR_MS, 1, 100.0, 5.0))
    sinking = (100.0, 100.1, 95.02, 95.03)
    low = (95.03, 95.5, 95.02, 95.3)
    keep(ledger, signal(start + 3 * HOUR_MS, 1, 100.0, 1.0, series=other))
    midnight = 14
    keep(ledger, signal(start + midnight * HOUR_MS, 1, 100.0, 1.0, series=other))
    worlds = {
        HOURLY: bars(QUIET, QUIET, sinking, *[low] * (midnight - 3), start=start),
        other: bars(*[QUIET] * midnight, start=start),
    }
    done = advance(ledger, worlds, slices=slices)
    found = everything(ledger)
    assert found["positions"][0].is_open, "nothing is realised yet"
    assert done.reasons == {"daily_loss": 1}
    assert done.approved == 2, "the new UTC day opens the gate again"


def test_the_position_per_instrument_is_one(ledger: Ledger) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, 1, 100.0, 1.0), signal(START + 2 * HOUR_MS, 1, 100.0, 1.0))
    done = advance(ledger, bars(QUIET, QUIET, QUIET))
    assert done.reasons == {"position_open": 1}
    assert everything(ledger)["positions"][0].series.instrument == BTC


def test_r2_the_balance_follows_from_fills_at_every_moment(ledger: Ledger) -> None:
    """R2: initial equity, plus what each fill moved, plus open positions at cost, is the balance."""
    candles = walk(9, 60)
    side, atr = coin_flips(9, candles)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    advance(ledger, candles)
    found = everything(ledger)
    seen_open = 0
    for point in found["equity"]:
        flow = Decimal(0)
        for fill in found["fills"]:
            if fill.ts <= point.ts - (fill.purpose is OrderPurpose.ENTRY):
                buys = fill.side.sign if fill.purpose is OrderPurpose.ENTRY else -fill.side.sign
                flow -= buys * fill.price * fill.quantity_base + fill.fee_quote
        inside = [
            p
            for p in found["positions"]
            if p.entry_ms < point.ts and (p.exit_ms is None or p.exit_ms > point.ts)
        ]
        seen_open += len(inside)
        at_cost = sum((p.side.sign * p.entry_price * p.quantity_base for p in inside), Decimal(0))
        assert abs(10_000 + flow + at_cost - point.balance_quote) < Decimal("0.0000005")
    assert seen_open > 10


def test_trap_a30_3_ami_b12_1_r2_results_follow_from_fills_alone(ledger: Ledger) -> None:
    """R2: the result of each round trip is what its two executions say."""
    candles = walk(9, 90)
    side, atr = coin_flips(9, candles)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    advance(ledger, candles)
    found = everything(ledger)
    by_order = {f.order_id: f for f in found["fills"]}
    by_position: dict[str, dict[OrderPurpose, Any]] = {}
    for order in found["orders"]:
        if order.order_id in by_order:
            by_position.setdefault(order.position_id, {})[order.purpose] = by_order[order.order_id]
    closed = [p for p in found["positions"] if not p.is_open]
    assert len(closed) > 3
    for trip in closed:
        entry, leave = by_position[trip.position_id].values()
        if entry.purpose is OrderPurpose.EXIT:
            entry, leave = leave, entry
        gross = (leave.price - entry.price) * entry.quantity_base * trip.side.sign
        assert abs(gross - entry.fee_quote - leave.fee_quote - trip.pnl_quote) <= Decimal("0.00000001")


def test_trap_c12_1_e4_5_trades_really_happen_and_move_the_equity(ledger: Ledger) -> None:
    candles = walk(9, 60)
    side, atr = coin_flips(9, candles)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    done = advance(ledger, candles)
    assert done.opened > 3
    assert done.closed > 3
    assert len({p.equity_quote for p in everything(ledger)["equity"]}) > 10


def test_trap_a30_22_two_instruments_never_share_a_decision(ledger: Ledger) -> None:
    opened(ledger)
    other = Series(ETH, Timeframe.H1)
    at = START + HOUR_MS
    one, two = signal(at, 1, 100.0, 1.0), signal(at, -1, 100.0, 2.0, series=other)
    keep(ledger, one, two)
    advance(ledger, {HOURLY: bars(QUIET, QUIET), other: bars(QUIET, QUIET)})
    held = {p.series: p for p in everything(ledger)["positions"]}
    assert {series: p.signal_id for series, p in held.items()} == {
        HOURLY: one.signal_id,
        other: two.signal_id,
    }
    assert (held[HOURLY].stop, held[other].stop) == (Decimal(99), Decimal(102))
