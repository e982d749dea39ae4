"""`sereno run NAME`: one run of one job, with lease, time-out, record, logs and metrics.

A job works in a forked child with a process group of its own; this process holds the lease, keeps
the time and writes the record, so that whatever becomes of the work, its end is recorded, and nothing
that it started outlives it. When this process itself is killed, the kernel kills the child, and the next
run records the orphan.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import structlog

from sereno.core.errors import TryLater
from sereno.core.settings import Settings
from sereno.ops.app import Desk, clock_of, open_desk_ledger
from sereno.ops.guard import EXIT_FAULT, Verdict, guarded
from sereno.ops.jobs import Job
from sereno.ops.logs import Redactor, configure_logs
from sereno.ops.process import adopt_orphans, die_with_parent, kill_below, processes_below
from sereno.ops.progress import ProgressFile
from sereno.ops.run import Finished, Run

if TYPE_CHECKING:
    from sereno.ops.lease import Lease

LOOK_S = 1.0


def run_job(
    settings: Settings,
    job: Job,
    options: tuple[str, ...] = (),
    *,
    forked: Callable[[], None] = lambda: None,
) -> Finished:
    """Run a job to its end and record it.

    forked   called once the child is there: from then on threads may be started

    Raises TryLater if another process runs it.
    """
    if job.is_daemon:
        from sereno.ops.daemon import run_daemon

        return run_daemon(settings, job, options)
    worker = _fork(settings, job, options)
    forked()
    return _run_supervised(settings, job, worker)


def progress_file(settings: Settings, job: str) -> ProgressFile:
    """Where a job tells how far it is."""
    return ProgressFile(settings.paths.run / "progress" / f"{job}.json")


@dataclass(slots=True)
class _Worker:
    """The forked child: it waits for its run id, works, and answers with one line.

    others   processes that this one had started before
    """

    pid: int
    orders: int
    answer: int
    others: frozenset[int]
    status: int | None = None

    def go(self, run_id: str) -> None:
        """Hand out the run id: work may begin."""
        os.write(self.orders, f"{run_id}\n".encode())

    def has_ended(self) -> bool:
        """Whether it is over; it stays to be reaped."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> int:
        """Exit status, negative for a signal."""
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def end(self) -> None:
        """Kill it with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.reap()
        kill_below(self.others)

    def close(self) -> None:
        """End it if it still lives, and let go of the pipes."""
        self.end()
        os.close(self.orders)
        os.close(self.answer)


def _fork(settings: Settings, job: Job, options: tuple[str, ...]) -> _Worker:
    orders_read, orders_write = os.pipe()
    answer_read, answer_write = os.pipe()
    parent = os.getpid()
    adopt_orphans()
    others = processes_below()
    pid = os.fork()
    if pid:
        os.close(orders_read)
        os.close(answer_write)
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        return _Worker(pid, orders_write, answer_read, others)
    os.close(orders_write)
    os.close(answer_read)
    return _work(settings, job, options, orders_read, answer_write, parent)


def _work(
    settings: Settings, job: Job, options: tuple[str, ...], orders: int, answer: int, parent: int
) -> NoReturn:
    """Body of the child; never returns."""
    code = EXIT_FAULT
    try:
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != parent:
            os._exit(code)
        with os.fdopen(orders) as source:
            run_id = source.readline().strip()
        if run_id:
            structlog.contextvars.bind_contextvars(run_id=run_id, job=job.name)
            told = progress_file(settings, job.name)
            with Desk(settings, options=options) as desk:
                verdict = guarded(job, desk, Run(run_id, job.name, told.tell))
            told.clear()
            with os.fdopen(answer, "w") as target:
                target.write(verdict.to_json() + "\n")
            code = verdict.exit_code
    finally:
        os._exit(code)


class _Stopped(Exception):
    """This process was asked to end."""


class _Stop:
    """SIGTERM and SIGINT from the record's beginning to its end: heard throughout, raised while work is waited for.

    One that came in between would end this process and leave a run without an end.
    """

    def __init__(self) -> None:
        self._heard = 0
        self._raises = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {n: signal.signal(n, self._hear) for n in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def arm(self) -> None:
        """From now on it raises `_Stopped`, at once if it was heard before."""
        self._raises = True
        if self._heard:
            self._hear(self._heard, None)

    def disarm(self) -> None:
        """From now on it is only heard."""
        self._raises = False

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard = number
        if self._raises:
            self._raises = False
            raise _Stopped(f"stopped by {signal.Signals(number).name}")


def _run_supervised(settings: Settings, job: Job, worker: _Worker) -> Finished:
    from sereno.ops.lease import Lease, lease_name
    from sereno.ops.records import Recorder, new_run_id, ready_ballast

    lease: Lease | None = None
    try:
        ready_ballast(settings.paths.run)
        ledger = open_desk_ledger(settings)
        recorder = Recorder(ledger, settings, clock_of(settings), Redactor.of(settings))
        wanted = Lease(ledger, lease_name(settings.mode, job.name), ttl_s=settings.jobs.lease_s)
        if not wanted.take():
            raise TryLater(
                "job.held", remedy="another process runs it; try again when it is done", job=job.name
            )
        lease = wanted
        recorder.abandon_dead()
        with _Stop() as stop:
            started = recorder.start(job.name, new_run_id(job.name))
            verdict, status = _attend(worker, job, lease, started.run_id, stop)
            return recorder.end(started, verdict, status)
    finally:
        worker.close()
        progress_file(settings, job.name).clear()
        if lease is not None:
            lease.give_back()
            ledger.close()


def _attend(worker: _Worker, job: Job, lease: Lease, run_id: str, stop: _Stop) -> tuple[Verdict, str]:
    """Wait for the work until it, its time or this process is to end."""
    try:
        stop.arm()
        found = _wait(worker, job, lease, run_id)
        stop.disarm()
        return found
    except _Stopped as stopped:
        worker.end()
        return _failed(str(stopped), exit_code=143), "skipped"


def _wait(worker: _Worker, job: Job, lease: Lease, run_id: str) -> tuple[Verdict, str]:
    """Renew the lease meanwhile; end the work when its time is over."""
    deadline = time.monotonic() + job.timeout_s
    renew_at = time.monotonic() + lease.beat_s
    said = b""
    worker.go(run_id)
    while True:
        now = time.monotonic()
        if now >= deadline:
            worker.end()
            return _failed(f"killed after {job.timeout_s} s", exit_code=124), "timeout"
        if now >= renew_at:
            renew_at = now + lease.beat_s
            lost = lease.fault()
            if lost:
                worker.end()
                return _failed(f"lost its lease: {lost}"), "error"
        over = worker.has_ended()  # a fork of it may hold the pipe open
        pause_s = 0.0 if over else max(0.0, min(deadline, renew_at, now + LOOK_S) - now)
        ready, _, _ = select.select([worker.answer], [], [], pause_s)
        part = os.read(worker.answer, 65536) if ready else b""
        said += part
        if part.endswith(b"\n") or (not part and (ready or over)):
            return _understood(said, worker.reap())


def _understood(said: bytes, status: int) -> tuple[Verdict, str]:
    if not said.endswith(b"\n"):
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return _failed(f"its process {how}"), "error"
    verdict = Verdict.from_json(said.decode())
    return verdict, "success" if verdict.ok else "error"


def _failed(error: str, *, exit_code: int = EXIT_FAULT) -> Verdict:
    return Verdict(False, None, error, exit_code, {})


def run_inline(desk: Desk, job: Job) -> Finished:
    """Run a job in this process, with its record but without lease and time-out."""
    from sereno.ops.records import Recorder, new_run_id

    recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
    started = recorder.start(job.name, new_run_id(job.name))
    with structlog.contextvars.bound_contextvars(run_id=started.run_id, job=job.name):
        verdict = guarded(job, desk, Run(started.run_id, job.name))
    return recorder.end(started, verdict, "success" if verdict.ok else "error")


def run_and_log(settings: Settings, job: Job, options: tuple[str, ...] = ()) -> int:
    """What `sereno run` does; answers the exit code."""
    configure_logs(settings.log, Redactor.of(settings))
    return run_job(settings, job, options).exit_code
