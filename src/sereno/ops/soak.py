"""`sereno up --for 14d --speed max`: the whole job table over simulated days, in one process, then a report."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Self

from sereno.core.errors import FixConfig, TryLater
from sereno.core.mode import Mode
from sereno.core.settings import Settings
from sereno.core.timeframe import HOUR_MS, UtcMs, iso
from sereno.ops.app import Desk
from sereno.ops.bars import bars
from sereno.ops.facts import jobs_in_force
from sereno.ops.jobs import (
    COLLECTOR,
    DASHBOARD,
    FEATURES,
    POSITIONS,
    SIGNAL_ROUND,
    SIGNALS,
    TRAIN,
    Job,
    find_job,
    one_pass,
)
from sereno.ops.lease import Lease, lease_name
from sereno.ops.logs import Redactor, configure_logs, log_file
from sereno.ops.process import load_signal_takers
from sereno.ops.progress import Tell
from sereno.ops.records import Recorder
from sereno.ops.run import Finished
from sereno.ops.runner import run_inline
from sereno.ops.schedule import each_close
from sereno.ops.simulate import world_clock, world_of
from sereno.ops.soak_report import SoakReport, write_soak_report

if TYPE_CHECKING:
    from sereno.sim.server import Simulator

LEASE_S = 86_400.0
FIRST = (COLLECTOR, POSITIONS, SIGNAL_ROUND)
REPORT = "soak.html"


class Asked:
    """Notes the first SIGINT, SIGTERM or SIGHUP inside the block; a second one acts as it did outside.

    number   of the signal; 0 while nobody asked
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        load_signal_takers()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def heard(self) -> bool:
        """Whether somebody asked for the end."""
        return self.number != 0

    @property
    def word(self) -> str:
        """Name of the signal; empty while nobody asked."""
        return signal.Signals(self.number).name if self.number else ""

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        self._let_go()
        told = f"{self.word}: the report comes after this job; once more ends it at once\n"
        os.write(2, told.encode())  # a buffered stream refuses to be entered twice, and a bar may be writing

    def _let_go(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())  # type: ignore[arg-type]


@dataclass(slots=True)
class Soak:
    """One run of simulated days: `moments` in order, and what became of each job."""

    desk: Desk
    jobs: tuple[Job, ...]
    start_ms: UtcMs
    end_ms: UtcMs
    asked: Asked = field(default_factory=Asked)
    runs: list[Finished] = field(default_factory=list)

    def moments(self) -> Iterator[tuple[UtcMs, tuple[Job, ...]]]:
        """Every moment at which something fires, with the jobs in the order of the data's path."""
        zone = self.desk.settings.jobs.timezone
        due = {job.name: job.schedule.next_after(self.start_ms, zone) for job in self.jobs}
        by_name = {job.name: job for job in self.jobs}
        while True:
            at = min(due.values())
            if at > self.end_ms:
                return
            names = sorted((n for n, t in due.items() if t == at), key=self._place)
            yield at, tuple(by_name[name] for name in names)
            for name in names:
                due[name] = by_name[name].schedule.next_after(at, zone)

    def _place(self, name: str) -> int:
        order = [*FIRST, *(job.name for job in self.jobs if job.name not in FIRST)]
        return order.index(name)

    def fire(self, job: Job) -> None:
        """Run a job now and note how it ended.

        Once someone asked for the end only what follows a candle is done, so that the moment is whole.
        """
        if not self.asked.heard() or job.name in FIRST:
            self.runs.append(run_inline(self.desk, job))


def soak(settings: Settings, span_ms: int) -> int:
    """Run the table over `span_ms` of simulated time; 0 when nothing failed and every invariant held.

    Asked to end before, it reports what it did so far and answers 128 and the number of the signal.

    Raises FixConfig outside mode sim, or when the data ends before.
    """
    if settings.mode is not Mode.SIM:
        raise FixConfig(
            "up.for", remedy="--for needs mode sim: real days cannot be hurried", mode=settings.mode
        )
    from sereno.sim.server import Simulator

    with ExitStack() as opened:
        log = opened.enter_context(log_file(settings.log, settings.paths.logs / "soak.log"))
        configure_logs(settings.log, Redactor.of(settings), stream=log)
        world = world_of(settings)
        clock = world_clock(settings, world, speed=0.0)
        simulator = opened.enter_context(Simulator(world, clock, settings.sim.host, 0))
        desk = opened.enter_context(Desk(settings, clock=clock, base_url=simulator.base_url))
        start = clock.now_ms()
        if world.end_ms is not None and start + span_ms > world.end_ms:
            raise FixConfig(
                "up.for",
                remedy="the data ends before: choose a shorter span, or a larger sim.days_before_end",
                clock=iso(start),
                end=iso(world.end_ms),
            )
        jobs = tuple(
            _passes(settings) if job.name == SIGNALS else job
            for job in jobs_in_force(settings)
            if job.name != DASHBOARD
        )
        soaking = Soak(desk, jobs, start, start + span_ms)
        _hold_leases(desk, opened)
        Recorder(desk.ledger, settings, clock, Redactor.of(settings)).abandon_dead()
        began = time.monotonic()
        with soaking.asked as asked, bars() as tell:
            _run(soaking, simulator, tell)
        wall_s = time.monotonic() - began
        report = SoakReport.of(desk, soaking.runs, start, clock.now_ms(), wall_s, ended_by=asked.word)
        _tell(report, settings.paths.reports / REPORT)
        return 128 + asked.number if asked.number else int(not report.well)


def _tell(report: SoakReport, path: Path) -> None:
    write_soak_report(path, report)
    for line in report.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"report: {path}\n")


def _passes(settings: Settings) -> Job:
    """In a soak nobody waits for candles: the signals daemon becomes a pass at each candle close."""
    fastest = min(timeframe.ms for timeframe in settings.candles.timeframes)
    return replace(one_pass(), when=each_close(fastest), function="sereno.ops.steps.signals:decide_now")


def _hold_leases(desk: Desk, opened: ExitStack) -> None:
    """This process does the work of all jobs and daemons: no other may, meanwhile."""
    for job in jobs_in_force(desk.settings):
        lease = Lease(desk.ledger, lease_name(desk.mode, job.name), ttl_s=LEASE_S)
        if not lease.take():
            raise TryLater(
                "job.held", remedy="a desk of this world runs already: stop it first", job=job.name
            )
        opened.callback(lease.give_back)


def _run(soaking: Soak, simulator: Simulator, tell: Tell) -> None:
    """The first pass, then every firing at its moment."""
    desk = soaking.desk
    settle_ms = round(desk.settings.candles.settle_s * 1000) + 1
    in_force = {job.name for job in soaking.jobs}
    for name in (COLLECTOR, POSITIONS, FEATURES, TRAIN, SIGNAL_ROUND):
        if name in in_force and not soaking.asked.heard():
            soaking.fire(find_job(name, soaking.jobs))
    hours = max(1, (soaking.end_ms - soaking.start_ms) // HOUR_MS)
    for at, jobs in soaking.moments():
        if soaking.asked.heard():
            return
        simulator.step_to(at + settle_ms)
        for job in jobs:
            soaking.fire(job)
        tell("simulated hours", (at - soaking.start_ms) // HOUR_MS, hours)
    if desk.clock.now_ms() < soaking.end_ms:
        simulator.step_to(soaking.end_ms)  # nothing fires in what is left
