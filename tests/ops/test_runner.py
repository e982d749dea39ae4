"""The runner with real processes: whatever becomes of a job, its end is recorded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sereno.core.errors import TryLater
from sereno.core.mode import Mode
from sereno.ops.app import open_desk_ledger
from sereno.ops.facts import failures, lease_is_held
from sereno.ops.lease import Heartbeat, Lease, lease_name
from sereno.store.ledger.runs import RunStatus
from tests.ops import running
from tests.ops.running import hanging, is_gone, records, settings_of, until


def held(folder: Path) -> bool:
    ledger = open_desk_ledger(settings_of(folder))
    with ledger.read() as tx:
        found = lease_is_held(tx, lease_name(Mode.PAPER, "probe"))
    ledger.close()
    return found


def with_textfile(folder: Path) -> str:
    """Settings as JSON: metrics lie in a file."""
    return json.dumps({"state_dir": str(folder), "mode": "paper", "metrics": {"textfile": True}})


def test_a_run_that_ends_well_leaves_record_log_and_metrics(tmp_path: Path) -> None:
    code, log = running.run(tmp_path, "well", given=with_textfile(tmp_path))
    assert code == 0, log
    (record,) = records(tmp_path)
    assert (record.status, record.rows, record.error) == (RunStatus.SUCCESS, 7, None)
    assert record.details["what"] == "done"
    assert record.ended_ms is not None
    assert record.ended_ms >= record.started_ms
    events = [json.loads(line) for line in log.splitlines()]
    assert {event["run_id"] for event in events if event["event"].startswith("job.")} == {record.run_id}
    text = (tmp_path / "metrics" / "sereno_probe.prom").read_text()
    assert 'ost_job_last_run_success{job="probe",mode="paper"} 1.0' in text
    assert not held(tmp_path)
    assert not (tmp_path / "run" / "progress" / "probe.json").exists()


def test_trap_e4_15_a_failure_is_never_recorded_as_success(tmp_path: Path) -> None:
    code, _ = running.run(tmp_path, "not_well")
    assert code == 1
    assert running.run(tmp_path, "crash", "a bug", given=with_textfile(tmp_path))[0] == 1
    crashed, half = records(tmp_path)
    assert (half.status, half.error) == (RunStatus.ERROR, "half of it failed")
    assert (crashed.status, crashed.error) == (RunStatus.ERROR, "ValueError: broken by a bug")
    assert str(crashed.details["trace"]).startswith("job_functions.py:")
    assert 'success{job="probe",mode="paper"} 0.0' in (tmp_path / "metrics" / "sereno_probe.prom").read_text()


@pytest.mark.parametrize(("kind", "code"), [("fix", 2), ("stop", 3), ("skip", 4), ("later", 75)])
def test_exit_codes_say_what_to_do(tmp_path: Path, kind: str, code: int) -> None:
    assert running.run(tmp_path, "ours", kind)[0] == code
    assert records(tmp_path)[0].details["kind"]


def test_secrets_reach_neither_log_nor_record(tmp_path: Path) -> None:
    secret = "s3cret-of-the-bot"
    given = json.dumps(
        {"state_dir": str(tmp_path), "mode": "paper", "notify": {"telegram_bot_token": secret}}
    )
    _, log = running.run(tmp_path, "crash", f"https://host/bot{secret}/send", given=given)
    assert secret not in log
    assert "********" in log
    assert secret not in str(records(tmp_path)[0].error)
    running.run(tmp_path, "tells", f"https://host/bot{secret}/send", given=given)
    places = records(tmp_path)[0].details["places"]
    assert places == [{"url": "https://host/bot********/send", "count": 1}]


def test_a_run_that_takes_too_long_is_killed_with_its_children_and_recorded(tmp_path: Path) -> None:
    process = running.start(tmp_path, "hang", timeout_s=2)
    worker, grandchild = hanging(tmp_path)
    assert process.wait(running.PATIENCE_S) == 124
    process.communicate()
    assert is_gone(worker)
    until(lambda: is_gone(grandchild), what="the end of the grandchild")
    (record,) = records(tmp_path)
    assert (record.status, record.error) == (RunStatus.TIMEOUT, "killed after 2 s")
    assert not held(tmp_path)


@pytest.mark.parametrize("how", ["fork", "session", "killed"])
def test_what_work_leaves_behind_neither_delays_its_end_nor_outlives_it(tmp_path: Path, how: str) -> None:
    code, log = running.run(tmp_path, "forks", how)
    left = int((tmp_path / "left").read_text())
    (record,) = records(tmp_path)
    assert (code, record.status) == ((1, RunStatus.ERROR) if how == "killed" else (0, RunStatus.SUCCESS)), log
    assert is_gone(left)


def test_a_verdict_is_kept_within_bounds(tmp_path: Path) -> None:
    assert running.run(tmp_path, "tells_much")[0] == 0
    details = records(tmp_path)[0].details
    assert {"first": 1, "last": 2, "truncated": True}.items() <= details.items()
    assert "much" not in details


def test_work_that_is_killed_is_recorded_at_once(tmp_path: Path) -> None:
    assert running.run(tmp_path, "kill_itself")[0] == 1
    assert records(tmp_path)[0].error == "its process was killed by signal 9"


def test_a_killed_runner_takes_its_work_along_and_the_next_run_records_it(tmp_path: Path) -> None:
    process = running.start(tmp_path, "hang")
    worker, grandchild = hanging(tmp_path)
    process.kill()
    process.wait(running.PATIENCE_S)
    until(lambda: is_gone(worker), what="the end of the work")
    os.kill(grandchild, signal.SIGKILL)
    process.communicate()
    assert not held(tmp_path)
    assert running.run(tmp_path, "well")[0] == 0
    newest, orphan = records(tmp_path)
    assert newest.status is RunStatus.SUCCESS
    assert orphan.status is RunStatus.ABANDONED


def test_trap_b12_11_e4_11_two_runs_of_a_job_at_once_do_no_harm(tmp_path: Path) -> None:
    first = running.start(tmp_path, "hang")
    hanging(tmp_path)
    code, log = running.run(tmp_path, "well")
    assert code == 75
    assert "job.held" in log
    assert [record.status for record in records(tmp_path)] == [RunStatus.RUNNING]
    first.terminate()
    assert first.wait(running.PATIENCE_S) == 143
    first.communicate()


def test_a_run_that_is_stopped_is_recorded_and_gives_its_lease_back(tmp_path: Path) -> None:
    process = running.start(tmp_path, "hang")
    worker, _ = hanging(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=running.PATIENCE_S)
    assert is_gone(worker)
    (record,) = records(tmp_path)
    assert (record.status, record.error) == (RunStatus.SKIPPED, "stopped by SIGTERM")
    ledger = open_desk_ledger(settings_of(tmp_path))
    with ledger.read() as tx:
        assert failures(tx, "probe", Mode.PAPER) == 0, "whoever stops a run has not seen it fail"
    ledger.close()
    assert not held(tmp_path)


def test_a_daemon_holds_its_lease_and_ends_when_asked(tmp_path: Path) -> None:
    process = running.start(tmp_path, "loop", daemon=True)
    hanging(tmp_path)
    assert held(tmp_path)
    process.terminate()
    process.communicate(timeout=running.PATIENCE_S)
    assert process.returncode == 0
    (record,) = records(tmp_path)
    assert (record.status, record.rows) == (RunStatus.SUCCESS, 3)
    assert not held(tmp_path)


def test_a_killed_daemon_is_seen_as_gone_at_once(tmp_path: Path) -> None:
    process = running.start(tmp_path, "loop", daemon=True)
    hanging(tmp_path)
    process.kill()
    process.communicate()
    assert not held(tmp_path)


def test_a_daemon_that_hangs_is_killed_although_its_process_lives(tmp_path: Path) -> None:
    given = json.dumps({"state_dir": str(tmp_path), "mode": "paper", "jobs": {"lease_s": 5}})
    process = running.start(tmp_path, "hung_loop", daemon=True, timeout_s=1, given=given)
    process.communicate(timeout=running.PATIENCE_S)
    assert process.returncode == -signal.SIGKILL
    assert not held(tmp_path)


def test_a_lost_lease_ends_the_heartbeat(tmp_path: Path) -> None:
    ledger = open_desk_ledger(settings_of(tmp_path))
    lease = Lease(ledger, "job:paper:probe", ttl_s=0.06)
    assert lease.take()
    lost: list[str] = []
    heartbeat = Heartbeat(lease, stall_s=60, on_lost=lost.append)
    lease.give_back()
    heartbeat.start()
    until(lambda: bool(lost), what="noticing the loss")
    heartbeat.stop()
    ledger.close()
    assert lost == ["another process holds the lease"]


def test_a_lease_that_cannot_be_renewed_ends_the_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_desk_ledger(settings_of(tmp_path))
    lease = Lease(ledger, "job:paper:probe", ttl_s=0.3)
    assert lease.take()
    monkeypatch.setattr(lease, "renew", unreachable)
    lost: list[float] = []
    began = time.monotonic()
    heartbeat = Heartbeat(lease, stall_s=60, on_lost=lambda _: lost.append(time.monotonic() - began))
    heartbeat.start()
    until(lambda: bool(lost), what="giving the lease up")
    heartbeat.stop()
    ledger.close()
    assert lost[0] > 0.15


def test_a_lease_is_trusted_for_two_thirds_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("sereno.ops.lease.time.monotonic", lambda: now[0])
    ledger = open_desk_ledger(settings_of(tmp_path))
    lease = Lease(ledger, "job:paper:probe", ttl_s=60)
    assert lease.take()
    now[0] = 130.0
    assert lease.fault() is None
    renew, lease.renew = lease.renew, unreachable  # type: ignore[method-assign]
    now[0] = 169.0
    assert lease.fault() is None
    now[0] = 170.0
    assert lease.fault() == "the lease could not be renewed for 40 s"
    lease.renew = renew  # type: ignore[method-assign]
    assert lease.fault() is None, "an answer makes it ours again"
    ledger.close()


def test_work_whose_lease_cannot_be_renewed_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sereno.ops.jobs import Job
    from sereno.ops.runner import run_job
    from sereno.ops.schedule import every

    monkeypatch.setattr(Lease, "renew", unreachable)
    job = Job("probe", "", every(15), 60, "tests.ops.job_functions:hang")
    finished = run_job(settings_of(tmp_path, jobs={"lease_s": 5}), job)
    assert finished.status == "error"
    assert str(finished.error).startswith("lost its lease: the lease could not be renewed for")
    worker, grandchild = hanging(tmp_path)
    until(lambda: is_gone(worker) and is_gone(grandchild), what="the end of the work")


def unreachable(*_: object) -> bool:
    raise TryLater("ledger.unreachable")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB; without the right to mount one, just a folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    mounted = (
        mount is not None
        and os.geteuid() == 0
        and subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def test_a_full_disk_ends_in_a_recorded_failure(small_disk: Path) -> None:
    assert running.run(small_disk, "well")[0] == 0
    code, log = running.run(small_disk, "disk_full")
    assert code == 1, log
    newest = records(small_disk)[0]
    assert newest.status is RunStatus.ERROR
    assert str(newest.error).startswith("disk full: free some room")
    (small_disk / "filler").unlink()
    assert running.run(small_disk, "well")[0] == 0
    assert [r.status for r in records(small_disk)].count(RunStatus.SUCCESS) == 2


def test_a_ledger_that_another_process_locks_is_try_later(tmp_path: Path) -> None:
    import sqlite3

    assert running.run(tmp_path, "well")[0] == 0
    other = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    given = json.dumps({"state_dir": str(tmp_path), "mode": "paper", "ledger": {"busy_timeout_s": 0.2}})
    code, log = running.run(tmp_path, "well", given=given)
    other.execute("ROLLBACK")
    other.close()
    assert code == 75
    assert "ledger.locked" in log
    assert len(records(tmp_path)) == 1
    assert running.run(tmp_path, "well")[0] == 0


STOPPED_BESIDE_ITS_WORK = """
import os, signal
from sereno.ops.records import Recorder
real_start, real_end = Recorder.start, Recorder.end

def start(self, *given):
    made = real_start(self, *given)
    os.kill(os.getpid(), signal.SIGTERM)
    return made

def end(self, *given):
    os.kill(os.getpid(), signal.SIGTERM)
    return real_end(self, *given)

setattr(Recorder, MOMENT, {"start": start, "end": end}[MOMENT])
"""


@pytest.mark.parametrize(("moment", "status"), [("start", RunStatus.SKIPPED), ("end", RunStatus.SUCCESS)])
def test_a_stop_just_before_or_after_the_work_leaves_no_run_without_an_end(
    tmp_path: Path, moment: str, status: RunStatus
) -> None:
    """Between the record and the work, and between the work and its record, nobody waited for signals."""
    first = f"MOMENT = {moment!r}\n{STOPPED_BESIDE_ITS_WORK}"
    running.run(tmp_path, "well", first=first)
    (record,) = records(tmp_path)
    assert record.status is status
    assert record.ended_ms is not None
    assert not held(tmp_path)
