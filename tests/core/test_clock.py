"""Clocks: fixed, and simulated through the clock file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import STALL_MS, ClockAnchor, ClockFile, FixedClock, SimClock, WallClock
from sereno.core.errors import FixConfig


def test_fixed_clock_only_goes_forward() -> None:
    clock = FixedClock(100)
    clock.advance(5)
    assert clock.now_ms() == 105
    with pytest.raises(ValueError):
        clock.set(1)


def test_simulated_time_runs_at_its_speed_and_stops_at_the_end() -> None:
    anchor = ClockAnchor(sim_ms=1_000, wall_ms=50, speed=720.0, end_ms=80_000)
    assert anchor.at(50) == 1_000
    assert anchor.at(60) == 1_000 + 7_200
    assert anchor.at(10_000) == 80_000
    assert anchor.at(0) == 1_000


def test_time_stalls_when_the_world_stops_beating() -> None:
    anchor = ClockAnchor(sim_ms=0, wall_ms=0, speed=10.0)
    assert anchor.at(STALL_MS * 100) == STALL_MS * 10


def test_a_world_tells_its_time_through_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "clock.json"
    with pytest.raises(FixConfig, match="simulator is not running"):
        SimClock(path).now_ms()
    ClockFile(path).write(ClockAnchor(sim_ms=7, wall_ms=0, speed=0.0))
    clock = SimClock(path)
    assert clock.now_ms() == 7
    ClockFile(path).write(ClockAnchor(sim_ms=5, wall_ms=0, speed=0.0))
    assert clock.now_ms() == 7, "time never goes back within a process"
    assert clock.wall_seconds_until(7) == 0.0
    assert clock.wall_seconds_until(8) > 0.0


@pytest.mark.parametrize(
    "torn", ["", '{"sim_ms":1', "[]", "null", "\0\0", '{"sim_ms": "1", "wall_ms": 0, "speed": 0.0}']
)
def test_a_damaged_file_names_what_mends_it(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(torn)
    with pytest.raises(FixConfig, match=r"clock\.damaged .*clock\.json.*sereno sim"):
        SimClock(path).now_ms()
    ClockFile(path).write(ClockAnchor(sim_ms=7, wall_ms=0, speed=0.0))
    assert SimClock(path).now_ms() == 7


def test_wall_clock_waits_for_the_future_only() -> None:
    clock = WallClock()
    assert clock.wall_seconds_until(clock.now_ms() - 1) == 0.0
    assert 0.0 < clock.wall_seconds_until(clock.now_ms() + 60_000) <= 60.0
