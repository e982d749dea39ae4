"""Each invariant notices its violation; an invariant that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.mode import Mode
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.ops import invariants
from sereno.ops.app import Desk
from sereno.store.ledger import runs, signals
from sereno.store.ledger.runs import JobRun, RunStatus
from tests.surfaces.seeded import NOW_MS, seeded_desk, settings_for, signal_of

SINCE_MS = NOW_MS - DAY_MS


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path) as made:
        yield made


def begun(desk: Desk, run_id: str, started_ms: int) -> None:
    with desk.ledger.begin() as tx:
        runs.start(
            tx,
            JobRun(
                run_id, "collector", Mode.PAPER, "h", 1, started_ms, None, RunStatus.RUNNING, None, None, {}
            ),
        )


def test_overlapping_runs_are_noticed(desk: Desk) -> None:
    assert invariants.no_overlap(desk, SINCE_MS) == []
    for run_id, start, end in (("a", 1000, 5000), ("b", 4000, 6000)):
        begun(desk, run_id, start)
        with desk.ledger.begin() as tx:
            runs.finish(tx, run_id, RunStatus.SUCCESS, end)
    assert invariants.no_overlap(desk, SINCE_MS) == ["collector b began before the run before it ended"]


def test_a_run_without_end_is_noticed(desk: Desk) -> None:
    assert invariants.every_run_ended(desk, SINCE_MS) == []
    begun(desk, "endless", NOW_MS)
    assert invariants.every_run_ended(desk, SINCE_MS) == ["endless has no end"]


def test_a_signal_that_does_not_say_why_is_noticed(desk: Desk) -> None:
    assert invariants.every_signal_explained(desk, SINCE_MS) == []
    mute = replace(signal_of(desk.series[1], Timeframe.H1.floor(NOW_MS), Decision.NO_TRADE), reason_detail="")
    with desk.ledger.begin() as tx:
        signals.save(tx, mute)
    assert invariants.every_signal_explained(desk, SINCE_MS) == [f"{mute.signal_id} does not say why"]


def test_candles_without_signal_are_noticed(desk: Desk) -> None:
    first, second = invariants.a_signal_for_each_candle(desk, SINCE_MS)
    assert "BTC/USDT@1h: 12 candles without a signal" in first
    assert "ETH/USDT@1h: 24 candles without a signal" in second
    assert len(invariants.a_signal_for_each_candle(desk, NOW_MS - 6 * HOUR_MS)) == 1


def test_taken_signals_that_nobody_answered_are_noticed(desk: Desk) -> None:
    assert len(invariants.every_taken_signal_answered(desk, SINCE_MS)) == 8


def test_equity_that_no_fill_explains_is_noticed(desk: Desk) -> None:
    (fault,) = invariants.equity_is_sum_of_fills(desk, SINCE_MS)
    assert fault.startswith("balance 10000, but fills give")


def test_a_candle_from_the_future_is_noticed(desk: Desk, tmp_path: Path) -> None:
    assert invariants.nothing_from_the_future(desk, SINCE_MS) == []
    early = Desk(settings_for(tmp_path), clock=FixedClock(NOW_MS - 5 * HOUR_MS))
    assert len(invariants.nothing_from_the_future(early, SINCE_MS)) == 2
