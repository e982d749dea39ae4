"""The job `positions` answers every signal; the pass before a decision does not take the time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.errors import TryLater
from sereno.core.order import OrderStatus
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.run import Run
from sereno.ops.steps.positions import TRIES, advance, advance_positions
from sereno.store.ledger import Ledger, equity, orders, signals
from sereno.trading import positions_job
from tests.surfaces.seeded import NOW_MS, candles, settings_for, signal_of


def test_a_signal_that_was_left_behind_is_refused_by_the_job(tmp_path: Path) -> None:
    with Desk(settings_for(tmp_path), clock=FixedClock(NOW_MS)) as desk:
        series, history = desk.series[0], candles(100)
        desk.lake.append(series, history, source="test", mode=desk.mode, now=NOW_MS)
        advance(desk)
        old = signal_of(series, NOW_MS // HOUR_MS * HOUR_MS - 90 * HOUR_MS, Decision.LONG)
        with desk.ledger.begin() as tx:
            signals.save(tx, old)
        assert advance(desk).reasons == {}
        outcome = advance_positions(desk, Run("r", "positions"))
        assert outcome.details["reasons"] == {"signal_late": 1}
        with desk.ledger.read() as tx:
            (order,) = orders.recent(tx, desk.mode, desk.account)
    assert (order.signal_id, order.status) == (old.signal_id, OrderStatus.REFUSED)


def test_an_account_is_not_opened_by_a_clock_that_is_ahead(tmp_path: Path) -> None:
    """A host that has just been started may be a year ahead until it has asked for the time."""
    ahead = FixedClock(NOW_MS + 365 * DAY_MS)
    with Desk(settings_for(tmp_path), clock=ahead) as desk:
        advance(desk)
        with desk.ledger.read() as tx:
            assert equity.latest(tx, desk.mode, desk.account) is None
    with Desk(settings_for(tmp_path), clock=FixedClock(NOW_MS)) as desk:
        desk.lake.append(desk.series[0], candles(100), source="test", mode=desk.mode, now=NOW_MS)
        newest = Timeframe.H1.floor(NOW_MS)
        with desk.ledger.begin() as tx:
            signals.save(tx, signal_of(desk.series[0], newest, Decision.LONG))
        desk.clock = ahead
        advance(desk)
        with desk.ledger.read() as tx:
            point = equity.latest(tx, desk.mode, desk.account)
            (order,) = orders.recent(tx, desk.mode, desk.account)
    assert point is not None
    assert point.ts == newest
    assert order.signal_id


@pytest.mark.parametrize(("overtaken", "ends_well"), [(1, True), (TRIES - 1, True), (TRIES, False)])
def test_an_account_that_another_process_advances_just_now_is_planned_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, overtaken: int, ends_well: bool
) -> None:
    """The signals pass and this job meet at each candle close; that is no failed run."""
    clock = FixedClock(NOW_MS - HOUR_MS)
    with Desk(settings_for(tmp_path), clock=clock) as desk:
        series, history = desk.series[0], candles(100)
        desk.lake.append(series, history, source="test", mode=desk.mode, now=NOW_MS)
        advance(desk)
        plan, plans = positions_job.plan_run, 0

        def planned(ledger: Ledger, *words: object, **more: object) -> object:
            nonlocal plans
            plans += 1
            made = plan(ledger, *words, **more)  # type: ignore[arg-type]
            if plans <= overtaken:  # what the other process does before our transaction begins
                with ledger.begin() as tx:
                    point = equity.latest(tx, desk.mode, desk.account)
                    assert point is not None
                    equity.add(tx, replace(point, ts=point.ts + 1))
            return made

        clock.advance(HOUR_MS)
        monkeypatch.setattr(positions_job, "plan_run", planned)
        if ends_well:
            assert advance_positions(desk, Run("r", "positions")).failed is None
        else:
            with pytest.raises(TryLater, match="advanced_elsewhere"):
                advance_positions(desk, Run("r", "positions"))
        assert plans == min(overtaken + 1, TRIES)
