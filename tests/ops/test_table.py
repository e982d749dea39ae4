"""What the live table and the one line show, and when each job fires next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sereno.ops.app import Desk
from sereno.ops.snapshot import Snapshot, take_snapshot
from sereno.ops.table import draw
from tests.surfaces.seeded import seeded_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path) as made:
        yield made


def drawn(snapshot: Snapshot) -> list[str]:
    console = Console(width=200, record=True, file=StringIO())
    console.print(draw(snapshot))
    return console.export_text().splitlines()


def test_without_a_scheduler_the_table_of_jobs_says_when_a_job_fires_next(desk: Desk) -> None:
    snapshot = take_snapshot(desk.settings, desk.ledger, desk.clock)
    timed = {state.job.name for state in snapshot.jobs if not state.job.is_daemon}
    assert set(snapshot.next_ms) == timed
    (collector,) = (line for line in drawn(snapshot) if line.startswith("collector"))
    assert "2024-06-01T12:15" in collector


def test_the_newest_candle_of_a_series_is_shown_once(desk: Desk) -> None:
    """It belongs to the series: beside an old signal it would look like the candle of that signal."""
    key = desk.series[0].key
    bare = take_snapshot(desk.settings, desk.ledger, desk.clock)
    lines = drawn(replace(bare, newest={key: "2024-06-01T11:00:00Z"}))
    assert len(bare.signals) > 1
    assert [line.split() for line in lines if "2024-06-01T11:00" in line and key in line] == [
        [key, "2024-06-01T11:00"]
    ]
    (head,) = (line for line in lines if line.startswith("closed"))
    assert "newest candle" not in head
