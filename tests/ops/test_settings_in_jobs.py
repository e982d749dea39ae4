"""Trap E4.3 again: settings of clock, signals loop, leases and models, each proved where the desk works."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock, WallClock
from sereno.core.errors import StopTrading
from sereno.core.mode import Mode
from sereno.core.settings.sections import VenueSettings, WalkForwardSettings
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.models.contract import Role
from sereno.ops.app import Desk, open_desk_ledger
from sereno.ops.jobs import SIGNAL_ROUND
from sereno.ops.lease import lease_name
from sereno.ops.run import Run
from sereno.ops.steps import signals as signals_step
from sereno.ops.steps.anomaly import look, look_for_anomalies
from sereno.ops.steps.backtest import walked
from sereno.sim.faults import Fault, FaultKind
from sereno.store.ledger import findings, leases, runs
from sereno.watch.checks import Severity
from tests.market.conftest import Exchange, exchange
from tests.ops import running
from tests.ops.running import hanging, settings_of
from tests.store.test_registry import DRAFT, FILES
from tests.surfaces.seeded import NOW_MS, seeded_desk

__all__ = ["exchange"]
LOOKS = 12


def serve_models(desk: Desk, created_ms: UtcMs) -> None:
    """Let a model of every role and series serve that was made at a moment."""
    for series in desk.series:
        for role in Role:
            draft = replace(DRAFT, role=role.value, series_key=series.key, created_ms=created_ms)
            desk.registry.use(role, series, desk.registry.save(draft, FILES).version)


@pytest.mark.parametrize(
    ("age_days", "max_age_days", "severity"),
    [
        (13, 14, None),
        (15, 14, Severity.WARNING),
        (15, 16, None),
        (13, 12, Severity.WARNING),
        (40, 14, Severity.HIGH),
    ],
)
def test_trap_a12_13_an_old_model_is_reported_from_the_age_that_is_set(
    tmp_path: Path, age_days: int, max_age_days: int, severity: Severity | None
) -> None:
    with seeded_desk(tmp_path, models={"max_age_days": max_age_days}) as desk:
        serve_models(desk, NOW_MS - age_days * DAY_MS)
        found = [one for one in look(desk, NOW_MS) if one.check == "old_model"]
        expected = 0 if severity is None else len(desk.series) * len(Role)
        assert [one.severity for one in found] == [severity] * expected
        look_for_anomalies(desk, Run("r", "anomaly"))
        with desk.ledger.read() as tx:
            kept = [one for one in findings.recent(tx) if one.check == "old_model"]
    assert len(kept) == expected


def test_a_newer_model_that_does_not_serve_makes_the_old_one_no_younger(tmp_path: Path) -> None:
    with seeded_desk(tmp_path, venue={"instruments": ["BTC/USDT"]}) as desk:
        serve_models(desk, NOW_MS - 15 * DAY_MS)
        draft = replace(DRAFT, series_key=desk.series[0].key, created_ms=NOW_MS)
        desk.registry.save(draft, FILES)
        old = [one.subject for one in look(desk, NOW_MS) if one.check == "old_model"]
    assert len(old) == len(Role)


@pytest.mark.parametrize(
    ("off_ms", "allowed_ms", "well"), [(500, 400, False), (500, 600, True), (30_000, 40_000, True)]
)
def test_max_clock_offset_is_what_stops_a_cycle(
    exchange: Callable[..., Exchange],
    off_ms: int,
    allowed_ms: int,
    well: bool,
) -> None:
    place = exchange()
    place.venue_settings = VenueSettings(timeout_s=5.0, max_clock_offset_ms=allowed_ms)
    place.simulator.faults.inject(
        Fault(FaultKind.CLOCK_OFFSET, path="/api/v3/time", offset_ms=off_ms, times=0)
    )
    if well:
        assert place.collect().offset_ms == off_ms
        assert place.lake.series()
        return
    with pytest.raises(StopTrading, match=r"clock\.offset") as caught:
        place.collect()
    assert caught.value.fields["allowed_ms"] == allowed_ms
    assert not place.lake.series()


@pytest.mark.parametrize(("loop_s", "passes"), [(0.000_001, LOOKS // 2), (900.0, 1)])
def test_the_signals_daemon_passes_again_after_signal_loop_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop_s: float, passes: int
) -> None:
    """No candle closes meanwhile: only the setting can start another pass."""
    monkeypatch.setattr(signals_step, "_pause_s", lambda _desk, _done_for: 0.0)
    seen: list[None] = []
    with seeded_desk(tmp_path, jobs={"signal_loop_s": loop_s}) as desk:
        assert isinstance(desk.clock, FixedClock)
        run = Run("r", "signals", alive=lambda: seen.append(None), stopping=lambda: len(seen) >= LOOKS)
        done = signals_step.signals_daemon(desk, run)
        with desk.ledger.read() as tx:
            recorded = [r for r in runs.latest(tx, SIGNAL_ROUND, 100) if r.started_ms == NOW_MS]
    assert done.rows == passes
    assert len(recorded) == passes


@pytest.mark.parametrize(("lease_s", "is_free"), [(600, False), (5, True)])
def test_a_runner_takes_its_lease_for_lease_s(tmp_path: Path, lease_s: int, is_free: bool) -> None:
    """Five minutes on, another host may take the job over only if the lease is shorter than that."""
    given = json.dumps({"state_dir": str(tmp_path), "mode": "paper", "jobs": {"lease_s": lease_s}})
    process = running.start(tmp_path, "hang", timeout_s=60, given=given)
    try:
        hanging(tmp_path)
        later = WallClock().now_ms() + 300_000
        ledger = open_desk_ledger(settings_of(tmp_path))
        with ledger.begin() as tx:
            taken = leases.acquire(tx, lease_name(Mode.PAPER, "probe"), "elsewhere:1:1", later, 1000)
        ledger.close()
    finally:
        process.terminate()
        process.communicate(timeout=running.PATIENCE_S)
    assert taken is is_free


@pytest.mark.parametrize(
    ("watch", "check", "severity"),
    [
        ({}, "job_failed", "warning"),
        ({"failures_high": 1}, "job_failed", "high"),
        ({}, "drawdown", None),
        ({"drawdown_high_frac": 0.001}, "drawdown", "high"),
        ({"drawdown_high_frac": 0.001, "drawdown_critical_frac": 0.002}, "drawdown", "critical"),
        ({}, "one_sided", None),
        ({"one_sided_frac": 0.4}, "one_sided", "warning"),
        ({"one_sided_frac": 0.4, "one_sided_least": 50}, "one_sided", None),
    ],
)
def test_the_limits_of_the_watch_reach_the_checks(
    tmp_path: Path, watch: dict[str, float], check: str, severity: str | None
) -> None:
    venue = {"instruments": ["BTC/USDT"], "market": "linear"}
    with seeded_desk(tmp_path, venue=venue, watch=watch) as desk:
        told = {one.check: one.severity.value for one in look(desk, NOW_MS)}
    assert told.get(check) == severity


@pytest.mark.parametrize(("asked", "folds"), [(None, 7), (2, 2)])
def test_the_plan_of_the_walk_is_the_settings_unless_somebody_asks_for_other_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, folds: int
) -> None:
    class Enough(Exception):
        pass

    def stop(*_: object, plan: WalkForwardSettings, **__: object) -> None:
        assert plan == WalkForwardSettings(folds=folds, first_frac=0.3, rounds=11)
        raise Enough

    monkeypatch.setattr("sereno.models.walkforward.walk_forward", stop)
    walkforward = {"folds": 7, "first_frac": 0.3, "rounds": 11}
    with seeded_desk(tmp_path, walkforward=walkforward) as desk, pytest.raises(Enough):
        walked(desk, lambda *_: None, desk.series[0], until=NOW_MS, folds=asked)
