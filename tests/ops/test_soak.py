"""Simulated days that somebody ends before their time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.timeframe import DAY_MS, HOUR_MS
from sereno.ops import soak_report
from sereno.ops.app import Desk, open_desk_ledger
from sereno.ops.jobs import Job
from sereno.ops.runner import run_inline
from sereno.ops.schedule import every
from sereno.ops.soak import Asked, Soak
from sereno.ops.soak_report import SoakReport, write_soak_report
from sereno.store.ledger import Ledger, runs
from sereno.store.ledger.runs import RunStatus
from tests.ops.desk_process import SMALL, settings_of
from tests.ops.running import until
from tests.store.test_ledger_records import RUN
from tests.surfaces.seeded import NOW_MS, seeded_desk

GIVEN = {**SMALL, "jobs.disabled": "walkforward"}


def passes(ledger: Ledger) -> int:
    with ledger.read() as tx:
        return sum(run.status is RunStatus.SUCCESS for run in runs.latest(tx, "signals-pass", 10))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_soak_that_is_ended_reports_what_it_did(tmp_path: Path, number: signal.Signals) -> None:
    words = [f"--set={key}={value}" for key, value in {"state_dir": tmp_path / "state", **GIVEN}.items()]
    settings = settings_of(tmp_path, GIVEN)
    ledger = open_desk_ledger(settings)
    with ledger.begin() as tx:
        runs.start(tx, replace(RUN, run_id="of a desk that was killed", mode=settings.mode, holder=None))
    soaking = subprocess.Popen(
        [sys.executable, "-m", "sereno", *words, "up", "--for", "29d", "--speed", "max"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: passes(ledger) > 3, what="some simulated hours", patience_s=120)
    soaking.send_signal(number)
    said, complaint = soaking.communicate(timeout=60)
    assert soaking.returncode == 128 + number, said + complaint
    with ledger.read() as tx:
        assert runs.running(tx) == []
    ledger.close()
    assert f"INTERRUPTED by {number.name}" in said
    assert "NOT well" in said
    assert "BROKEN" not in said
    assert "FAILED" not in said
    assert "INTERRUPTED" in (settings.paths.reports / "soak.html").read_text()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler of Ctrl-C; a shell that starts the tests in its background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_first_signal_is_noted_and_the_second_acts() -> None:
    with Asked() as asked:
        assert not asked.heard()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (asked.heard(), asked.word) == (True, "SIGTERM")
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


INSIDE_POLARS = """
import os, signal
from sereno.ops.soak import Asked
from sereno.ops.up import _Stop as Stop

def interrupt(frame):
    os.kill(os.getpid(), signal.SIGINT)
    return frame

def query():
    import polars as pl
    pl.LazyFrame({"a": [2, 1]}).map_batches(interrupt).sort("a").collect()

with Asked() as asked:
    query()
    assert asked.heard()
stop = Stop()
stop.listen()
query()
assert stop.asked.is_set()
"""


def test_a_signal_while_polars_works_is_noted_and_interrupts_nothing() -> None:
    """Polars, loaded after a handler, puts its own over it, which raises KeyboardInterrupt in the midst of a job."""
    done = subprocess.run(
        [sys.executable, "-c", INSIDE_POLARS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_once_asked_only_what_follows_a_candle_is_still_done(tmp_path: Path) -> None:
    asked = Asked()
    with Desk(settings_of(tmp_path, SMALL), clock=FixedClock(NOW_MS)) as desk:
        soaking = Soak(desk, (), NOW_MS, NOW_MS, asked)
        job = Job("train", "", every(15), 60, "tests.ops.job_functions:well")
        soaking.fire(job)
        asked.number = signal.SIGTERM
        soaking.fire(job)
        soaking.fire(Job("collector", "", every(15), 60, "tests.ops.job_functions:well"))
    assert [run.job for run in soaking.runs] == ["train", "collector"]


def test_an_interrupted_report_is_not_well(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk:
        whole = SoakReport.of(desk, (), NOW_MS, NOW_MS, 1.0)
        cut = SoakReport.of(desk, (), NOW_MS, NOW_MS, 1.0, ended_by="SIGINT")
    assert not cut.well
    assert "INTERRUPTED by SIGINT" in "\n".join(cut.lines())
    assert "INTERRUPTED" not in "\n".join(whole.lines())


def test_the_page_is_made_of_tables(tmp_path: Path) -> None:
    """What the desk decided and traded, not the console's lines once more."""
    path = tmp_path / "soak.html"
    with seeded_desk(tmp_path) as desk:
        job = run_inline(desk, Job("train", "", every(15), 60, "tests.ops.job_functions:not_well"))
        report = SoakReport.of(desk, (job,), NOW_MS - 6 * HOUR_MS, NOW_MS, 1.0)
    write_soak_report(path, report)
    text = path.read_text()
    assert "<pre>" not in text
    assert "6.0 simulated hours" in text
    for row in (
        "<td>LONG</td><td>taken</td><td>4</td>",
        "<td>NO_TRADE</td><td>no_edge</td><td>4</td>",
        "<td>BTC/USDT</td><td>long</td><td>0.5</td><td>2024-06-01 04:00</td><td>100.10</td>",
        "<td>train</td><td>1</td>",
        "<polyline",
        "train at 2024-06-01T12:00:30Z",
    ):
        assert row in text, row


def test_a_position_closed_before_the_run_is_no_trade_of_it(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk:
        report = SoakReport.of(desk, (), NOW_MS - HOUR_MS, NOW_MS, 1.0)
    assert (report.trades, report.figures.trades) == ((), 0)


@pytest.mark.parametrize(("hours", "words"), [(6, "6.0 simulated hours"), (48, "2.0 simulated days")])
def test_a_span_below_two_days_is_told_in_hours(tmp_path: Path, hours: int, words: str) -> None:
    with seeded_desk(tmp_path) as desk:
        told = next(SoakReport.of(desk, (), NOW_MS - hours * HOUR_MS, NOW_MS, 1.0).lines())
    assert told.startswith(words)


def test_what_the_ledger_let_go_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a soak longer than `refused_signals_days` the invariants look at the days that are still whole."""
    asked: list[int] = []

    def look(_desk: Desk, since: int) -> list[str]:
        asked.append(since)
        return []

    monkeypatch.setattr(soak_report, "INVARIANTS", (("looked", look),))
    with seeded_desk(tmp_path) as desk:
        for days in (30, 900):
            SoakReport.of(desk, (), NOW_MS - days * DAY_MS, NOW_MS, 1.0)
    assert asked == [NOW_MS - 30 * DAY_MS, NOW_MS - 400 * DAY_MS]
