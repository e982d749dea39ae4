"""What the desk knows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import ClockAnchor, ClockFile, WallClock
from sereno.core.settings import Settings
from sereno.ops.app import clock_of
from sereno.ops.facts import world_ended_ms
from tests.store.ledger_examples import DAY


def settings_of(folder: Path, mode: str = "sim") -> Settings:
    return Settings.model_validate({"state_dir": folder, "mode": mode})


@pytest.mark.parametrize(("end_ms", "ended"), [(DAY, DAY), (DAY + 1, None), (None, None)])
def test_a_world_has_ended_when_its_clock_is_at_the_end(
    tmp_path: Path, end_ms: int | None, ended: int | None
) -> None:
    settings = settings_of(tmp_path)
    anchor = ClockAnchor(DAY, WallClock().now_ms(), speed=0.0, end_ms=end_ms)
    ClockFile(settings.paths.clock_file).write(anchor)
    assert world_ended_ms(settings, clock_of(settings).now_ms()) == ended


def test_a_clock_that_runs_past_the_end_stands_there(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    long_ago = WallClock().now_ms() - 4_000
    ClockFile(settings.paths.clock_file).write(ClockAnchor(DAY, long_ago, speed=720.0, end_ms=DAY + 1000))
    assert world_ended_ms(settings, clock_of(settings).now_ms()) == DAY + 1000


def test_without_a_clock_or_a_simulated_world_nothing_has_ended(tmp_path: Path) -> None:
    assert world_ended_ms(settings_of(tmp_path), DAY) is None
    assert world_ended_ms(settings_of(tmp_path), None) is None
    assert world_ended_ms(settings_of(tmp_path, "paper"), DAY) is None
