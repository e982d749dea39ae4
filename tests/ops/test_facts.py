"""What the desk knows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import ClockAnchor, ClockFile, WallClock
from sereno.core.settings import Settings
from sereno.core.timeframe import DAY_MS, MINUTE_MS
from sereno.ops.app import clock_of, open_desk_ledger
from sereno.ops.facts import last_starts, world_ended_ms
from sereno.store.ledger.runs import RunStatus
from tests.ops.test_scheduler import START_MS, Bench
from tests.store.ledger_examples import DAY
from tests.surfaces.seeded import _run


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


@pytest.mark.parametrize("cut_off", [RunStatus.ABANDONED, RunStatus.SKIPPED])
@pytest.mark.parametrize("before", [(), (RunStatus.SUCCESS,), (RunStatus.ERROR,)])
def test_a_run_that_was_cut_off_is_made_up_for_at_the_next_start_of_the_desk(
    tmp_path: Path, cut_off: RunStatus, before: tuple[RunStatus, ...]
) -> None:
    """The host went down in the midst of the training of Sunday: it does not wait for the next one."""
    settings, bench = settings_of(tmp_path, "paper"), Bench()
    sunday = next(job for job in bench.scheduler.jobs if job.name == "train").schedule.next_after(START_MS)
    ledger = open_desk_ledger(settings)
    with ledger.begin() as tx:
        for status in before:
            _run(tx, "train", sunday - 7 * DAY_MS, status)
        for attempt in range(2):
            _run(tx, "train", sunday + attempt * 1000, cut_off)
    bench.clock.set(sunday + 30 * MINUTE_MS)

    def missed() -> list[str]:
        with ledger.read() as tx:
            return [job.name for job in bench.scheduler.prime(last_starts(tx, settings))]

    assert missed() == ["train"]
    with ledger.begin() as tx:
        _run(tx, "train", sunday + 30 * MINUTE_MS, RunStatus.ERROR)
    assert missed() == []
    ledger.close()
