"""Children that hang: a stopped process cannot tell of itself, so the scheduler sees it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sereno.core.clock import WallClock
from sereno.core.mode import Mode
from sereno.core.timeframe import HOUR_MS
from sereno.ops.app import open_desk_ledger
from sereno.ops.jobs import Daemon, Job
from sereno.ops.launch import kill_tree
from sereno.ops.lease import lease_name
from sereno.ops.overseer import SLOW_START_S, LeaseOverseer
from sereno.ops.process import holder_name
from sereno.ops.schedule import every
from sereno.ops.scheduler import Scheduler
from sereno.store.ledger import leases
from sereno.store.ledger.runs import RunStatus
from tests.ops import running
from tests.ops.running import hanging, is_gone, records, settings_of, until

LEASE_S = 5.0


class Hung:
    """A scheduler whose one job is a real process."""

    def __init__(self, folder: Path, job: Job, function: str) -> None:
        self.folder = folder
        self.job = job
        self.function = function
        self.settings = settings_of(folder, jobs={"lease_s": LEASE_S})
        self.ledger = open_desk_ledger(self.settings)
        self.started: list[subprocess.Popen[bytes]] = []
        clock = WallClock()
        self.scheduler = Scheduler(
            jobs=(job,),
            clock=clock,
            zone="UTC",
            start=self._start,
            triggered=True,
            overseer=LeaseOverseer(self.settings, self.ledger, clock),
        )

    def _start(self, job: Job) -> subprocess.Popen[bytes]:
        given = json.dumps({"state_dir": str(self.folder), "mode": "paper", "jobs": {"lease_s": LEASE_S}})
        child = running.start(self.folder, self.function, daemon=job.is_daemon, given=given)
        self.started.append(child)  # type: ignore[arg-type]
        return child  # type: ignore[return-value]

    def ticked(self) -> bool:
        self.scheduler.tick()
        return True

    def close(self) -> None:
        for child in self.started:
            if child.poll() is None:
                kill_tree(child)
            child.communicate()
        self.ledger.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Hung]:
    hung = Hung(tmp_path, Job("probe", "", Daemon("x"), 60, ""), "loop")
    yield hung
    hung.close()


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Hung]:
    hung = Hung(tmp_path, Job("probe", "", every(15), 60, ""), "hang")
    yield hung
    hung.close()


def test_a_stopped_daemon_is_killed_recorded_and_started_again(daemon: Hung) -> None:
    daemon.scheduler.tick()
    hanging(daemon.folder)
    (daemon.folder / "hanging").unlink()
    (first,) = daemon.started
    os.kill(first.pid, signal.SIGSTOP)
    until(lambda: daemon.ticked() and len(daemon.started) == 2, what="another start")
    assert is_gone(first.pid)
    until(lambda: daemon.ticked() and (daemon.folder / "hanging").exists(), what="the second's life")
    newest, hung = records(daemon.folder)
    assert (newest.status, hung.status) == (RunStatus.RUNNING, RunStatus.TIMEOUT)
    assert hung.error == "killed by the scheduler: it did not renew its lease for 5 s"


def test_a_timed_job_whose_runner_is_stopped_is_killed_with_its_work(timed: Hung) -> None:
    """Its own time-out is kept by the stopped process."""
    timed.scheduler.fire(timed.job)
    worker, grandchild = hanging(timed.folder)
    os.kill(timed.started[0].pid, signal.SIGSTOP)
    until(lambda: timed.ticked() and not timed.scheduler.running, what="the end of the run")
    until(lambda: is_gone(worker) and is_gone(grandchild), what="the end of its work")
    (record,) = records(timed.folder)
    assert record.status is RunStatus.TIMEOUT
    assert timed.scheduler.fire(timed.job), "the next firing finds it free"


def test_a_lease_that_lapsed_while_the_machine_slept_is_no_complaint(tmp_path: Path) -> None:
    """All lapse at once, and all are renewed within a beat."""
    settings = settings_of(tmp_path, jobs={"lease_s": 60.0})
    ledger = open_desk_ledger(settings)
    at = [0.0]
    overseer = LeaseOverseer(settings, ledger, WallClock(), monotonic=lambda: at[0])
    job = Job("probe", "", Daemon("x"), 60, "")

    def complaint(child: subprocess.Popen[bytes], *, expires_ms: int) -> str:
        with ledger.begin() as tx:
            leases.acquire(tx, lease_name(Mode.PAPER, "probe"), holder_name(child.pid), expires_ms, 0)
        at[0] += overseer.beat_s
        return overseer.complaint(job, child, at[0])

    with subprocess.Popen(["sleep", "600"]) as child:
        later_ms = WallClock().now_ms() + HOUR_MS
        assert complaint(child, expires_ms=0) == ""
        assert complaint(child, expires_ms=later_ms) == ""
        assert complaint(child, expires_ms=0) == "", "the earlier lapse is forgotten"
        assert complaint(child, expires_ms=0) == "it did not renew its lease for 60 s"
        child.kill()
    ledger.close()


def test_a_child_that_never_took_its_lease_is_given_a_slow_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, jobs={"lease_s": 60.0})
    ledger = open_desk_ledger(settings)
    at = [0.0]
    overseer = LeaseOverseer(settings, ledger, WallClock(), monotonic=lambda: at[0])
    job = Job("probe", "", Daemon("x"), 60, "")
    with subprocess.Popen(["sleep", "600"]) as child:
        assert overseer.complaint(job, child, SLOW_START_S) == ""
        at[0] = 10.0
        assert overseer.complaint(job, child, SLOW_START_S + 61) == "", "seen once"
        at[0] = 20.0
        assert overseer.complaint(job, child, SLOW_START_S + 71) == "it holds no lease"
        child.kill()
    ledger.close()
