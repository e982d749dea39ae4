from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import STALL_MS, ClockFile, SimClock, WallClock
from sereno.core.errors import FixConfig
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim.generated import GeneratedWorld
from sereno.sim.time import SimulatedTime, make_time, speed_of

START = 1_736_121_600_000


class HandWall(WallClock):
    """A wall clock moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000_000

    def now_ms(self) -> int:
        return self.at


def test_wall_speed_runs_with_the_wall() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=1.0, wall=wall)
    wall.at += 1_500
    assert clock.now_ms() == START + 1_500


def test_one_trading_candle_every_five_seconds() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=speed_of(5.0, Timeframe.H1), wall=wall)
    wall.at += 5_000
    assert clock.now_ms() == START + HOUR_MS
    assert clock.wall_seconds_until(START + 2 * HOUR_MS) == pytest.approx(5.0)


def test_stepped_time_stands_until_it_is_stepped() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=speed_of(0.0, Timeframe.H1), wall=wall)
    wall.at += 60_000
    assert clock.now_ms() == START
    assert clock.wall_seconds_until(START + 1) > 0
    assert clock.step_to(START + HOUR_MS) == START + HOUR_MS == clock.now_ms()
    with pytest.raises(ValueError, match="go back"):
        clock.step_to(START)


def test_time_does_not_go_back_with_the_wall_clock() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=10.0, wall=wall)
    wall.at += 100
    seen = clock.now_ms()
    wall.at -= 50
    assert clock.now_ms() == seen


def test_time_stops_at_the_end_of_the_data() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=1e6, end_ms=START + DAY_MS, wall=wall)
    assert not clock.ended
    wall.at += 10_000
    assert clock.now_ms() == START + DAY_MS
    assert clock.ended
    assert clock.step_to(START + 2 * DAY_MS) == START + DAY_MS


def test_a_change_of_speed_keeps_the_moment() -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=10.0, wall=wall)
    wall.at += 1_000
    clock.set_speed(0.0)
    wall.at += 1_000
    assert clock.now_ms() == START + 10_000
    for wrong in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="speed"):
            clock.set_speed(wrong)


def test_a_restart_neither_rewinds_nor_jumps_over_the_downtime(tmp_path: Path) -> None:
    wall, path = HandWall(), tmp_path / "clock.json"
    killed = SimulatedTime(START, speed=100.0, path=path, wall=wall)
    wall.at += 2_000
    killed.beat()
    wall.at += 3_600_000  # killed without a word; readers saw time stop after STALL_MS
    anchor = ClockFile(path).read()
    assert anchor is not None
    resumed = SimulatedTime(START, speed=100.0, path=path, wall=wall)
    assert resumed.now_ms() == anchor.at(wall.at) == START + 100 * (2_000 + STALL_MS)


def test_a_suspended_host_does_not_skip_the_world(tmp_path: Path) -> None:
    wall = HandWall()
    clock = SimulatedTime(START, speed=720.0, path=tmp_path / "clock.json", wall=wall)
    clock.beat()
    wall.at += 8 * HOUR_MS  # the lid was closed: no heartbeat
    clock.beat()
    assert clock.now_ms() == START + 720 * STALL_MS


def test_a_clean_stop_resumes_to_the_millisecond(tmp_path: Path) -> None:
    wall, path = HandWall(), tmp_path / "clock.json"
    first = SimulatedTime(START, speed=100.0, path=path, wall=wall)
    wall.at += 1_234
    first.rest()
    wall.at += 3_600_000
    second = SimulatedTime(START, speed=100.0, path=path, wall=wall)
    assert second.now_ms() == START + 123_400
    first.wake()
    assert first.speed == 100.0


def test_a_restart_cannot_step_behind_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    SimulatedTime(START, path=path).step_to(START + DAY_MS)
    with pytest.raises(FixConfig, match=r"clock\.other_world"):
        SimulatedTime(START, end_ms=START + HOUR_MS, path=path)
    assert SimulatedTime(START + 2 * DAY_MS, path=path).now_ms() == START + 2 * DAY_MS


def test_other_processes_read_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = SimulatedTime(START, path=path)
    clock.beat()
    reader = SimClock(path)
    assert reader.now_ms() == START
    clock.step_to(START + HOUR_MS)
    assert reader.now_ms() == START + HOUR_MS


def test_settings_say_how_fast_time_goes(world: GeneratedWorld) -> None:
    clock = make_time(SimSettings(seconds_per_candle=5.0), world, timeframe=Timeframe.H1)
    assert (clock.speed, clock.start_ms, clock.end_ms) == (720.0, world.clock_start_ms, world.end_ms)
    assert make_time(SimSettings(seconds_per_candle=0), world, timeframe=Timeframe.H1).speed == 0.0


def test_a_full_disk_lets_time_stand_for_the_writer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers stall without a heartbeat; were the writer to go on, they would jump once there is room."""
    wall, path = HandWall(), tmp_path / "clock.json"
    clock = SimulatedTime(START, speed=100.0, path=path, wall=wall)
    clock.beat()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ClockFile, "write", full)
        for _ in range(10):
            wall.at += 1_000
            with pytest.raises(OSError, match="No space"):
                clock.beat()
        with pytest.raises(OSError, match="No space"):
            clock.step_to(START + DAY_MS)
    told = ClockFile(path).read()
    assert told is not None
    assert clock.now_ms() == told.at(wall.at) == START + 100 * STALL_MS
