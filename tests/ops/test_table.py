"""What the live table and the one line show, and when each job fires next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.snapshot import Snapshot, take_snapshot
from sereno.ops.table import draw
from sereno.store.ledger import runs
from sereno.store.ledger.runs import JobRun, RunStatus
from tests.surfaces.seeded import NOW_MS, seeded_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path) as made:
        yield made


def drawn(snapshot: Snapshot, width: int = 200, height: int = 50) -> list[str]:
    console = Console(width=width, height=height, record=True, file=StringIO())
    console.print(draw(snapshot))
    return [line.rstrip() for line in console.export_text().splitlines()]


def busy(desk: Desk) -> Snapshot:
    """As full as a small desk gets: three positions, eight signals, six series, a report with a long path."""
    bare = take_snapshot(desk.settings, desk.ledger, desk.clock)
    hour = Timeframe.H1.floor(NOW_MS)
    closes = {Timeframe.M15: hour, Timeframe.H1: hour, Timeframe.H4: hour - 4 * HOUR_MS}
    return replace(
        bare,
        positions=bare.positions * 3,
        signals=tuple(replace(one, reason="expected_return_below_min") for one in bare.signals),
        closes={f"binance:spot:{symbol}": closes for symbol in ("BTC/USDT", "ETH/USDT")},
        api="http://127.0.0.1:8000",
        report=f"/home/someone/{'deep/' * 12}train-report.html",
    )


def test_without_a_scheduler_the_table_of_jobs_says_when_a_job_fires_next(desk: Desk) -> None:
    snapshot = take_snapshot(desk.settings, desk.ledger, desk.clock)
    timed = {state.job.name for state in snapshot.jobs if not state.job.is_daemon}
    assert set(snapshot.next_ms) == timed
    (collector,) = (line for line in drawn(snapshot) if line.startswith("collector"))
    assert collector.split()[-1] == "12:15"


def test_a_terminal_of_80_by_24_shows_positions_signals_and_what_failed_with_no_word_cut(desk: Desk) -> None:
    lines = drawn(busy(desk), 80, 24)
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)
    text = "\n".join(lines)
    assert text.count("BTC/USDT       long  04:00") == 3
    assert text.count("expected_return_below_min") >= 5
    for word in ("2024-06-01 12:00 UTC", "equity 9,998.75 (open -1.25)", "newest report train-report.html"):
        assert word in text
    assert "walkforward  error" in text, "a job that failed is shown before those that are well"
    assert "more jobs" in text
    assert "…" not in text


def test_a_larger_terminal_shows_everything(desk: Desk) -> None:
    lines = drawn(busy(desk), 120, 40)
    text = "\n".join(lines)
    for job in busy(desk).jobs:
        assert job.job.name in text
    assert "more jobs" not in text
    assert text.count("expected_return_below_min") == 8


def test_law_the_table_never_outgrows_the_terminal(desk: Desk) -> None:
    full = busy(desk)
    for width, height in product(range(40, 130, 5), (8, 12, 24, 40)):
        lines = drawn(full, width, height)
        assert len(lines) <= height, (width, height)
        assert all(len(line) <= width for line in lines), (width, height)


def test_columns_go_before_words_are_cut(desk: Desk) -> None:
    text = "\n".join(drawn(busy(desk), 60, 40))
    assert "regime" not in text
    assert text.count("expected_return_below_min") == 8


def test_the_newest_candles_are_one_line_an_instrument(desk: Desk) -> None:
    """Apart from the signals: beside an old one it would look like the candle of that signal."""
    lines = drawn(busy(desk))
    (head,) = (line for line in lines if line.startswith("newest candle closed"))
    assert head.split()[-3:] == ["15m", "1h", "4h"]
    (bitcoin,) = (line for line in lines if line.startswith("binance:spot:BTC/USDT"))
    assert bitcoin.split()[1:] == ["12:00", "12:00", "08:00"]


def test_the_collector_tells_when_the_newest_candles_closed(desk: Desk) -> None:
    told = {
        "series": {"binance:spot:BTC/USDT@4h": {"newest_open_ms": NOW_MS}, "x@1h": {"newest_open_ms": None}}
    }
    with desk.ledger.begin() as tx:
        run = JobRun("c", "collector", desk.mode, "h", 1, NOW_MS, None, RunStatus.RUNNING, None, None, {})
        runs.start(tx, run)
        runs.finish(tx, "c", RunStatus.SUCCESS, NOW_MS, details=told)
    snapshot = take_snapshot(desk.settings, desk.ledger, desk.clock)
    assert snapshot.closes == {"binance:spot:BTC/USDT": {Timeframe.H4: NOW_MS + 4 * HOUR_MS}}


def test_a_moment_on_another_day_is_told_with_its_day(desk: Desk) -> None:
    old = replace(busy(desk), now_ms=NOW_MS + 3 * DAY_MS)
    assert "06-01 12:00" in "\n".join(drawn(old))


def test_the_report_that_is_named_is_the_newest(desk: Desk) -> None:
    for at, name in ((1, "walkforward.html"), (3, "backtest.html"), (2, "train-report.html")):
        page = desk.paths.reports / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("x")
        os.utime(page, (at, at))
    (line,) = (one for one in drawn(take_snapshot(desk.settings, desk.ledger, desk.clock)) if "report" in one)
    assert "newest report " in line
    assert line.endswith("backtest.html")
