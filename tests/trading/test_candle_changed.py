"""A candle that comes late or is corrected under an open position: noticed, applied, and never to our advantage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.errors import TryLater
from sereno.core.instrument import Series
from sereno.core.money import money
from sereno.core.order import ExitReason, OrderPurpose, Position
from sereno.core.position_rules import exit_fill
from sereno.core.settings.sections import BarrierSettings, RiskSettings
from sereno.core.timeframe import HOUR_MS, MINUTE_MS, Timeframe
from sereno.store.ledger import Ledger, audit
from sereno.store.ledger.audit import AuditEntry
from sereno.trading.positions_job import CHANGED
from tests.trading.test_positions_job import QUIET, Fragile, Killed, advance, bars, everything, keep
from tests.trading.worlds import ETH, HOURLY, START, Slices, new_ledger, opened, signal, walk

SLIPPAGE_FRAC = Slices().costs.slippage_bps / 10_000.0
ONE_LOSS_PAUSES = RiskSettings(losing_streak=1, max_daily_loss_frac=1.0, max_weekly_loss_frac=1.0)
PAUSE_MS = int(ONE_LOSS_PAUSES.losing_streak_pause_h * HOUR_MS)
FALL = (100.0, 100.4, 90.0, 100.0)
CALM = (100.0, 100.2, 99.8, 100.0)
RISE = (100.0, 110.0, 99.6, 100.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = new_ledger(tmp_path)
    yield made
    made.close()


def without(candles: Candles, *rows: int) -> Candles:
    kept = np.ones(len(candles), dtype=bool)
    kept[list(rows)] = False
    return Candles(candles.timeframe, *(getattr(candles, name)[kept] for name in Candles.COLUMNS))


def held(ledger: Ledger, sign: int = 1) -> None:
    opened(ledger)
    keep(ledger, signal(START + HOUR_MS, sign, 100.0, 1.0))


def trip(ledger: Ledger) -> Position:
    (one,) = everything(ledger)["positions"]
    return one


def notes(ledger: Ledger) -> list[AuditEntry]:
    with ledger.read() as tx:
        return audit.recent(tx, action=CHANGED)


def pause(ledger: Ledger) -> tuple[int | None, str | None]:
    risk = everything(ledger)["risk"]
    return risk.paused_until_ms, risk.pause_reason


def exit_reasons(ledger: Ledger) -> list[str]:
    return [o.reason for o in everything(ledger)["orders"] if o.purpose is OrderPurpose.EXIT]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_stop_in_a_late_candle_ends_the_position_when_it_is_seen(ledger: Ledger, sign: int) -> None:
    through = FALL if sign > 0 else RISE
    full = bars(QUIET, QUIET, through, QUIET, QUIET, QUIET)
    held(ledger, sign)
    advance(ledger, without(full, 2), now=START + 4 * HOUR_MS)
    before = everything(ledger)
    assert trip(ledger).is_open
    done = advance(ledger, full, now=START + 6 * HOUR_MS)
    one, after = trip(ledger), everything(ledger)
    assert (done.changed, done.closed, one.exit_reason) == (1, 1, ExitReason.STOP)
    assert one.exit_price == money(exit_fill(sign, 100.0 - sign, SLIPPAGE_FRAC))
    assert (one.exit_ms, one.bars_held) == (START + 5 * HOUR_MS, 3)
    assert exit_reasons(ledger) == ["candle_changed:stop"]
    assert after["equity"][: len(before["equity"])] == before["equity"], "the past stays as it was recorded"
    assert all(fill in after["fills"] for fill in before["fills"])
    assert after["equity"][-1].balance_quote == Decimal(10_000) + one.pnl_quote
    (note,) = notes(ledger)
    assert (note.subject, note.ts) == (one.position_id, START + 5 * HOUR_MS)
    assert note.detail["bars_held"] == 2
    assert note.detail["bars_now"] == 3
    assert note.detail["outcome"] == "stop"


@pytest.mark.parametrize("is_late", [True, False])
def test_a_loss_counts_for_the_limits_whenever_it_is_seen(ledger: Ledger, *, is_late: bool) -> None:
    """A loss through a late candle was forgotten by the next moment: its pause never came."""
    slices = Slices(risk=ONE_LOSS_PAUSES)
    full = bars(QUIET, QUIET, FALL, QUIET, QUIET, QUIET)
    held(ledger)
    advance(ledger, without(full, 2) if is_late else full, now=START + 4 * HOUR_MS, slices=slices)
    advance(ledger, full, now=START + 5 * HOUR_MS, slices=slices)
    exit_ms = START + (5 if is_late else 3) * HOUR_MS
    assert trip(ledger).exit_ms == exit_ms
    assert pause(ledger) == (exit_ms + PAUSE_MS, "losing_streak")
    keep(ledger, signal(START + 5 * HOUR_MS, 1, 100.0, 1.0))
    done = advance(ledger, full, slices=slices)
    assert (done.approved, done.reasons) == (0, {"losing_streak": 1})


def test_a_target_that_was_missed_is_not_paid_when_the_price_has_left_it(ledger: Ledger) -> None:
    full = bars(QUIET, QUIET, RISE, QUIET, (100.0, 100.2, 99.3, 99.5))
    held(ledger)
    advance(ledger, without(full, 2), now=START + 4 * HOUR_MS)
    advance(ledger, full)
    one = trip(ledger)
    assert one.exit_reason is ExitReason.TARGET
    assert one.exit_price == money(exit_fill(1, 99.5, SLIPPAGE_FRAC)) < one.target


def test_a_stop_that_was_missed_costs_what_the_market_costs_now(ledger: Ledger) -> None:
    full = bars(QUIET, QUIET, FALL, (99.5, 99.6, 99.2, 99.3), (96.0, 97.0, 95.0, 96.5))
    held(ledger)
    advance(ledger, without(full, 2), now=START + 4 * HOUR_MS)
    advance(ledger, full)
    assert trip(ledger).exit_price == money(exit_fill(1, 96.5, SLIPPAGE_FRAC))


def test_nothing_else_to_come_it_is_seen_at_once(ledger: Ledger) -> None:
    full = bars(QUIET, QUIET, FALL, QUIET)
    held(ledger)
    advance(ledger, without(full, 2))
    now = START + 4 * HOUR_MS + 20 * MINUTE_MS
    assert advance(ledger, full, now=now).closed == 1
    found = everything(ledger)
    assert (trip(ledger).exit_ms, found["equity"][-1].ts) == (now, now)
    assert advance(ledger, bars(QUIET, QUIET, FALL, QUIET, QUIET)).moments == 1


def test_a_correction_through_the_stop_ends_the_position(ledger: Ledger) -> None:
    held(ledger)
    advance(ledger, bars(QUIET, QUIET, QUIET, QUIET))
    advance(ledger, bars(QUIET, QUIET, FALL, QUIET, QUIET))
    assert (trip(ledger).exit_reason, exit_reasons(ledger)) == (ExitReason.STOP, ["candle_changed:stop"])
    assert notes(ledger)[0].detail["bars_now"] == notes(ledger)[0].detail["bars_held"] == 3


def test_a_candle_that_changes_nothing_is_noted_once_and_counts(ledger: Ledger) -> None:
    full = bars(*[QUIET] * 6)
    held(ledger)
    advance(ledger, without(full, 2), now=START + 4 * HOUR_MS)
    assert trip(ledger).bars_held == 2
    advance(ledger, full, now=START + 5 * HOUR_MS)
    assert (trip(ledger).bars_held, trip(ledger).is_open) == (4, True)
    advance(ledger, full)
    (note,) = notes(ledger)
    assert (note.detail["outcome"], note.detail["level"]) == ("held", None)


def test_the_time_that_a_late_candle_took_counts(ledger: Ledger) -> None:
    slices = Slices(barriers=BarrierSettings(horizon_bars=3))
    full = bars(QUIET, QUIET, QUIET, QUIET, (100.0, 100.4, 99.6, 99.8))
    held(ledger)
    advance(ledger, without(full, 2), now=START + 4 * HOUR_MS, slices=slices)
    advance(ledger, full, slices=slices)
    assert (trip(ledger).exit_reason, trip(ledger).bars_held) == (ExitReason.TIME, 3)
    assert trip(ledger).exit_price == money(exit_fill(1, 99.8, SLIPPAGE_FRAC))


def test_a_stop_never_moves_back_when_the_price_it_followed_is_corrected(ledger: Ledger) -> None:
    slices = Slices(barriers=BarrierSettings(trailing_atr=1.2))
    wick = (100.0, 100.9, 99.9, 100.3)
    calm = (100.0, 100.4, 99.9, 100.3)
    held(ledger)
    advance(ledger, bars(QUIET, QUIET, wick), slices=slices)
    stop = trip(ledger).stop
    assert stop == Decimal("99.7")
    advance(ledger, bars(QUIET, QUIET, calm, calm), slices=slices)
    one = trip(ledger)
    assert (one.is_open, one.stop, one.best_price) == (True, stop, Decimal("100.4"))


def test_candles_that_are_lost_say_nothing(ledger: Ledger) -> None:
    full = bars(*[QUIET] * 6)
    held(ledger)
    advance(ledger, full, now=START + 4 * HOUR_MS)
    assert advance(ledger, without(full, 2), now=START + 5 * HOUR_MS).changed == 0
    assert advance(ledger, full).changed == 0


def test_a_position_of_an_older_release_is_not_watched_for_it(ledger: Ledger) -> None:
    held(ledger)
    advance(ledger, bars(QUIET, QUIET, QUIET))
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE positions SET candles_digest = NULL")
    assert advance(ledger, bars(QUIET, QUIET, FALL, QUIET)).changed == 0
    assert (trip(ledger).bars_held, trip(ledger).candles_digest) == (3, None)


@pytest.mark.parametrize(("corrected", "is_open"), [(FALL, False), (CALM, True)])
def test_two_processes_that_see_it_at_once_are_noticed(
    ledger: Ledger, corrected: tuple[float, float, float, float], *, is_open: bool
) -> None:
    """The account stands at a moment to which one series comes late, so that the clock tells nothing."""
    other = Series(ETH, Timeframe.H1)
    quiet = bars(*[QUIET] * 6)
    held(ledger)
    advance(ledger, {HOURLY: quiet.slice(0, 3), other: quiet}, now=START + 4 * HOUR_MS)
    worlds = {HOURLY: bars(QUIET, corrected, QUIET, QUIET), other: quiet}
    now = START + 4 * HOUR_MS + MINUTE_MS
    found: list[Any] = []

    class Overtaken:
        read = ledger.read

        @contextmanager
        def begin(self) -> Iterator[Any]:
            assert advance(ledger, worlds, now=now).changed == 1
            found.append(everything(ledger))
            with ledger.begin() as tx:
                yield tx

    with pytest.raises(TryLater, match="advanced_elsewhere"):
        advance(Overtaken(), worlds, now=now)
    assert trip(ledger).is_open is is_open
    assert advance(ledger, worlds, now=now).changed == 0, "planned anew there is nothing left to see"
    assert [everything(ledger)] == found
    assert len(notes(ledger)) == 1


@pytest.mark.parametrize("dies_at", [1, 2])
def test_killed_while_it_is_seen_it_ends_the_same(tmp_path: Path, dies_at: int) -> None:
    slices = Slices(risk=ONE_LOSS_PAUSES)
    full = bars(QUIET, QUIET, FALL, QUIET, QUIET, QUIET)
    ends = []
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        made = new_ledger(tmp_path / name)
        held(made)
        advance(made, without(full, 2), now=START + 4 * HOUR_MS, slices=slices)
        if name == "killed":
            with pytest.raises(Killed):
                advance(Fragile(made, dies_at), full, slices=slices)
        advance(made, full, slices=slices)
        assert pause(made) == (START + 5 * HOUR_MS + PAUSE_MS, "losing_streak")
        ends.append((everything(made), [replace(note, audit_id=0) for note in notes(made)]))
        made.close()
    assert ends[0] == ends[1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    late=st.sets(st.integers(2, 20), min_size=1, max_size=4),
    seen_after=st.integers(1, 10),
    sign=st.sampled_from([1, -1]),
    trailing_atr=st.sampled_from([0.0, 1.0]),
)
def test_what_comes_late_never_brings_more_than_in_time(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    late: set[int],
    seen_after: int,
    sign: int,
    trailing_atr: float,
) -> None:
    """A position that lives on stands exactly as if every candle had come in time; a loss always pauses."""
    candles = walk(seed, 40, gaps=False)
    slices = Slices(barriers=BarrierSettings(trailing_atr=trailing_atr), risk=ONE_LOSS_PAUSES)
    seen = int(candles.close_ms[max(late) + seen_after])
    found: list[Any] = []
    for missing in ((), tuple(late)):
        made = new_ledger(tmp_path_factory.mktemp("late"))
        opened(made, now=START)
        keep(made, signal(START + HOUR_MS, sign, float(candles.close[0]), float(candles.close[0]) * 0.012))
        advance(made, without(candles, *missing), now=seen, slices=slices)
        early = trip(made)
        advance(made, candles, slices=slices)
        one = trip(made)
        is_loss = one.pnl_quote is not None and one.pnl_quote < 0
        assert pause(made) == ((one.exit_ms + PAUSE_MS, "losing_streak") if is_loss else (None, None))
        found.append((early, one, notes(made)))
        made.close()
    (_, in_time, none), (early, came_late, _) = found
    assert none == []
    assert came_late.pnl_quote <= in_time.pnl_quote or not early.is_open
    if early.is_open and in_time.exit_ms > seen:
        assert replace(came_late, checked_ms=0) == replace(in_time, checked_ms=0)
