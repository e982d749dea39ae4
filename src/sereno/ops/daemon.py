"""Daemons: jobs that live as long as the desk, in one process each, with a heartbeat; and their orphans."""

from __future__ import annotations

import os
import signal
import threading

import structlog

from sereno.core.errors import TryLater
from sereno.core.settings import Settings
from sereno.ops.app import Desk, clock_of, open_desk_ledger
from sereno.ops.guard import guarded
from sereno.ops.jobs import Job
from sereno.ops.lease import Heartbeat, Lease, lease_name
from sereno.ops.logs import Redactor, bound_output
from sereno.ops.process import load_signal_takers
from sereno.ops.records import Recorder, new_run_id, ready_ballast
from sereno.ops.run import Finished, Run

_log = structlog.get_logger("sereno.runner")


def run_daemon(settings: Settings, job: Job, options: tuple[str, ...]) -> Finished:
    """A daemon works in this process; a thread renews its lease while it shows life."""
    stop = threading.Event()
    load_signal_takers()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ready_ballast(settings.paths.run)
    with Desk(settings, options=options) as desk:
        recorder = Recorder(desk.ledger, settings, desk.clock, Redactor.of(settings))
        lease = Lease(desk.ledger, lease_name(settings.mode, job.name), ttl_s=settings.jobs.lease_s)
        if not lease.take():
            raise TryLater(
                "job.held", remedy="another process runs it; try again when it is done", job=job.name
            )
        heartbeat = Heartbeat(lease, stall_s=job.timeout_s, on_lost=_die)
        try:
            recorder.abandon_dead()
            started = recorder.start(job.name, new_run_id(job.name))
            structlog.contextvars.bind_contextvars(run_id=started.run_id, job=job.name)
            heartbeat.start()

            def alive() -> None:
                heartbeat.alive()
                bound_output()

            verdict = guarded(job, desk, Run(started.run_id, job.name, alive=alive, stopping=stop.is_set))
            return recorder.end(started, verdict, "success" if verdict.ok else "error")
        finally:
            heartbeat.stop()
            lease.give_back()


def _die(why: str) -> None:
    """End a daemon that may no longer run; its run is recorded as abandoned by the next one."""
    _log.critical("daemon.killed", why=why)
    os.kill(os.getpid(), signal.SIGKILL)


def abandon_orphans(settings: Settings) -> None:
    """Record the end of every run whose process is gone."""
    ledger = open_desk_ledger(settings)
    try:
        Recorder(ledger, settings, clock_of(settings), Redactor.of(settings)).abandon_dead()
    finally:
        ledger.close()
