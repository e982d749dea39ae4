"""Records of runs: whoever is gone is recorded as gone, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sereno.core.clock import FixedClock, WallClock
from sereno.core.mode import Mode
from sereno.ops.facts import failures
from sereno.ops.jobs import SIGNAL_ROUND
from sereno.ops.logs import Redactor
from sereno.ops.process import holder_name
from sereno.ops.records import Recorder, new_run_id
from sereno.store.ledger import Ledger, leases, runs
from sereno.store.ledger.runs import RunStatus
from tests.ops import running
from tests.ops.running import records, settings_of, until
from tests.store.ledger_examples import DAY
from tests.store.test_ledger_records import RUN

NO_PID = 4_194_305  # above every number that Linux gives


def recorder_of(ledger: Ledger, folder: Path) -> Recorder:
    settings = settings_of(folder)
    return Recorder(ledger, settings, FixedClock(DAY + 60_000), Redactor.of(settings))


def test_only_runs_of_dead_holders_are_abandoned(ledger: Ledger, tmp_path: Path) -> None:
    host, boot, pid, start = holder_name().split(":")
    wall = WallClock().now_ms()
    holders = {
        "ours": holder_name(),
        "gone": f"{host}:{boot}:{NO_PID}:{start}",
        "number used again": f"{host}:{boot}:{pid}:{int(start) - 1}",
        "elsewhere with its lease": "other~1:b:1:1",
        "elsewhere without": "other~1:b:2:2",
        "never said": None,
    }
    with ledger.begin() as tx:
        for name, holder in holders.items():
            runs.start(tx, replace(RUN, run_id=name, job=SIGNAL_ROUND, holder=holder))
        runs.start(tx, replace(RUN, run_id="of another mode", mode=Mode.LIVE, holder=holders["gone"]))
        leases.acquire(tx, "a", "other~1:b:1:1", wall, 60_000)
        leases.acquire(tx, "b", "other~1:b:2:2", wall - 60_000, 50_000)
    marked = recorder_of(ledger, tmp_path).abandon_dead()
    with ledger.read() as tx:
        going = {run.run_id for run in runs.running(tx)}
        assert failures(tx, SIGNAL_ROUND, Mode.PAPER) == len(marked)
    assert set(marked) == {"gone", "number used again", "elsewhere without", "never said"}
    assert going == {*holders, "of another mode"} - set(marked)
    assert recorder_of(ledger, tmp_path).abandon_dead() == ()


def test_a_record_names_the_process_that_keeps_it(ledger: Ledger, tmp_path: Path) -> None:
    recorder_of(ledger, tmp_path).start("train", "r1")
    with ledger.read() as tx:
        assert runs.running(tx)[0].holder == holder_name()


def test_after_kill_9_the_next_pass_marks_exactly_that_run(tmp_path: Path) -> None:
    """A daemon is killed while another process works; whatever runs next cleans up after the dead one only."""
    killed = running.start(tmp_path, "loop", daemon=True, job="daemon")
    living = running.start(tmp_path, "hang", job=SIGNAL_ROUND)
    until(lambda: len(records(tmp_path)) == 2, what="both starts")
    killed.kill()
    killed.communicate()
    assert running.run(tmp_path, "well", job="other")[0] == 0
    found = {run.job: run.status for run in records(tmp_path)}
    living.terminate()
    living.communicate(timeout=running.PATIENCE_S)
    assert found == {
        "daemon": RunStatus.ABANDONED,
        SIGNAL_ROUND: RunStatus.RUNNING,
        "other": RunStatus.SUCCESS,
    }


MOMENTS = st.integers(min_value=1, max_value=4_000_000_000_000)


@given(MOMENTS, st.one_of(MOMENTS, st.integers(min_value=1, max_value=1000)))
def test_run_ids_sort_by_the_millisecond_that_made_them(earlier: int, other: int) -> None:
    later = other if other > earlier else earlier + other
    assert new_run_id("train", earlier) < new_run_id("train", later)


def test_of_two_runs_at_one_simulated_moment_the_later_is_the_newest(ledger: Ledger) -> None:
    """A killed run and the one after it begin within one second, under a clock that stands."""
    ids = [new_run_id("train", RUN.started_ms + ms) for ms in range(20)]
    with ledger.begin() as tx:
        for run_id in ids:
            runs.start(tx, replace(RUN, run_id=run_id, job="train"))
    with ledger.read() as tx:
        assert [run.run_id for run in runs.latest(tx, "train")] == ids[::-1]
