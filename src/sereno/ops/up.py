"""`sereno up`: simulator, one full pass with progress, then the schedule until someone says stop."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import Clock, SimClock
from sereno.core.errors import FixConfig, TryLater
from sereno.core.settings import LastUp, Settings
from sereno.core.timeframe import HOUR_MS, iso
from sereno.ops.address import listen
from sereno.ops.app import clock_of, open_desk_ledger
from sereno.ops.console import Console, PlainConsole, TerminalConsole
from sereno.ops.daemon import abandon_orphans
from sereno.ops.facts import jobs_in_force, last_run, last_starts, world_ended_ms
from sereno.ops.first_pass import first_pass, is_trained
from sereno.ops.going import Going
from sereno.ops.hold import Hold
from sereno.ops.jobs import COLLECTOR, DASHBOARD, TRAIN, Job
from sereno.ops.launch import Launch, end_children
from sereno.ops.logs import Redactor, configure_logs, log_file
from sereno.ops.overseer import LeaseOverseer
from sereno.ops.process import load_signal_takers
from sereno.ops.scheduler import Scheduler, quantum_ms
from sereno.ops.simulate import speed_of
from sereno.ops.simulator_child import SimulatorChild
from sereno.ops.snapshot import ended_words
from sereno.store.ledger import Ledger, runs
from sereno.store.ledger.runs import JobRun, RunStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

TICK_S = 0.2
TRAINING_LOOK_S = 60.0
RETRY_MS = 6 * HOUR_MS
CYCLES_SEEN = 500
_log = structlog.get_logger("sereno.up")


@dataclass(slots=True)
class _Stop:
    """Whether someone asked the desk to end."""

    asked: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Take SIGINT and SIGTERM as that request."""
        load_signal_takers()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked.set()


def bring_up(
    settings: Settings, options: tuple[str, ...], last_up: LastUp, *, once: bool, table: bool
) -> int:
    """Run the desk in the foreground; answers the exit code.

    last_up  kept once the desk is ours, for commands that look at it
    once     one full pass, then end: 0 when every step went well
    table    live table and bars, for a terminal; plain lines otherwise
    """
    stop = _Stop()
    stop.listen()
    launch = Launch(options, settings.paths.logs)
    with ExitStack() as opened:
        log = opened.enter_context(log_file(settings.log, settings.paths.logs / "up.log"))
        configure_logs(settings.log, Redactor.of(settings), stream=log)
        console = TerminalConsole(settings) if table else PlainConsole(settings)
        hold = _hold_desk(settings, opened)
        if not once and DASHBOARD not in settings.jobs.disabled:
            _try_address(settings, console, somebody_sits_there=table)
        simulator = _simulator(settings, launch, stop.asked, opened)
        _keep(last_up, settings)
        console.say(f"state in {settings.paths.root}")
        abandon_orphans(settings)
        failed = first_pass(settings, launch, console, lambda: stop.asked.is_set() or hold.is_taken)
        if not once and not stop.asked.is_set():
            if simulator is not None:
                simulator.speed = speed_of(settings)
            _keep_up(settings, launch, console, simulator, stop.asked, hold, opened)
            failed = ()
        if hold.is_taken:
            raise TryLater("desk.taken", remedy=hold.why)
        return 1 if failed else 0


def _try_address(settings: Settings, console: Console, *, somebody_sits_there: bool) -> None:
    """Say at once that the API's address is taken. Who sits there can choose another one; a desk that was
    started by itself goes on without its page, for positions may be open.
    """
    try:
        listen(settings.api).close()
    except FixConfig as taken:
        if somebody_sits_there:
            raise
        console.say(f"no API: {taken}")


def _keep(last_up: LastUp, settings: Settings) -> None:
    """A desk goes up without it, on a full disk for one."""
    try:
        last_up.keep(settings.state_dir)
    except OSError as cause:
        _log.warning("up.not_kept", error=str(cause))


def _hold_desk(settings: Settings, opened: ExitStack) -> Hold:
    ledger = open_desk_ledger(settings)
    opened.callback(ledger.close)
    hold = Hold.take(ledger, settings)
    opened.callback(hold.stop)
    hold.start()
    return hold


def _simulator(
    settings: Settings, launch: Launch, stopping: threading.Event, opened: ExitStack
) -> SimulatorChild | None:
    simulator = SimulatorChild.start(settings, launch)
    if simulator is not None:
        opened.callback(lambda: end_children((simulator.child,)))
        simulator.wait_until_ready(stopping.is_set)
    return simulator


def _keep_up(
    settings: Settings,
    launch: Launch,
    console: Console,
    simulator: SimulatorChild | None,
    stopping: threading.Event,
    hold: Hold,
    opened: ExitStack,
) -> None:
    """The schedule, until someone says stop."""
    clock = clock_of(settings)
    ledger = open_desk_ledger(settings)
    opened.callback(ledger.close)
    fastest = min(timeframe.ms for timeframe in settings.candles.timeframes)
    simulated = isinstance(clock, SimClock)
    scheduler = Scheduler(
        jobs=jobs_in_force(settings),
        clock=clock,
        zone=settings.jobs.timezone,
        start=lambda job: _start(launch, job),
        quantum=quantum_ms(fastest, settings.sim.seconds_per_candle) if simulated else 0,
        triggered=not simulated,
        overseer=LeaseOverseer(settings, ledger, clock),
    )
    with ledger.read() as tx:
        missed = scheduler.prime(last_starts(tx, settings))
    if simulated:
        opened.callback(lambda: end_children(scheduler.children()))
    else:
        _open_triggers(scheduler, opened)
    for job in missed:
        _log.info("job.caught_up", job=job.name)
        scheduler.fire(job)
    console.open_table(ledger, clock, scheduler)
    opened.callback(console.close)
    training = _Training(settings, ledger, scheduler)
    ending = _Ending(settings, clock, console)
    keep = () if simulator is None else (simulator.keep,)
    parts = (*keep, scheduler.tick, training.start_when_possible, ending.tell, console.refresh)
    going = Going(settings, console, scheduler, hold, parts)
    while not (stopping.wait(TICK_S) or hold.is_taken):
        going.turn()
    console.say(hold.why if hold.is_taken else "stopping")


def _open_triggers(scheduler: Scheduler, opened: ExitStack) -> None:
    """Let APScheduler fire. It stops firing before the children are ended, and its thread ends after
    them: the kernel would kill children together with the thread that started them.
    """
    from sereno.ops.triggers import background, follow_clock

    triggers = background(scheduler)
    triggers.start()
    scheduler.on_jump = lambda moved_ms: follow_clock(triggers, moved_ms)
    opened.callback(lambda: triggers.shutdown(wait=False))
    opened.callback(lambda: end_children(scheduler.children()))
    opened.callback(triggers.pause)


@dataclass(slots=True)
class _Ending:
    """A world of files ends with its candles: time stands still, and the operator is told why, once."""

    settings: Settings
    clock: Clock
    console: Console
    told: bool = False

    def tell(self) -> None:
        """Say it when the clock has reached the end."""
        if self.told:
            return
        ended = world_ended_ms(self.settings, self.clock.now_ms())
        if ended is None:
            return
        self.told = True
        _log.warning("sim.world_ended", at=iso(ended))
        self.console.say(f"{ended_words(ended)}; Ctrl-C stops")


@dataclass(slots=True)
class _Training:
    """A desk whose first training failed need not wait for Sunday: it trains once candles have come.

    What could not be trained from candles is tried again after `RETRY_MS` at the earliest.
    """

    settings: Settings
    ledger: Ledger
    scheduler: Scheduler
    done: bool = False
    look_at: float = 0.0

    def start_when_possible(self) -> None:
        """Looked at once a minute, until every series has its models."""
        if self.done or time.monotonic() < self.look_at:
            return
        self.look_at = time.monotonic() + TRAINING_LOOK_S
        self.done = is_trained(self.settings)
        if self.done:
            return
        with self.ledger.read() as tx:
            collected = last_run(tx, COLLECTOR, self.settings.mode, RunStatus.SUCCESS)
            trained = last_run(tx, TRAIN, self.settings.mode)
            due = collected is not None and (trained is None or self._may_try_again(tx, trained, collected))
        if due:
            job = next((job for job in self.scheduler.timed if job.name == TRAIN), None)
            if job is not None and self.scheduler.fire(job):
                _log.info("train.not_waiting", remedy="some series has no model yet")

    def _may_try_again(self, tx: Connection, trained: JobRun, collected: JobRun) -> bool:
        """After a pause; at once when the attempt came before the first candles."""
        if collected.started_ms <= trained.started_ms:
            return False
        if self.scheduler.clock.now_ms() - trained.started_ms >= RETRY_MS:
            return True
        well = (RunStatus.SUCCESS,)
        cycles = runs.latest(tx, COLLECTOR, CYCLES_SEEN, mode=self.settings.mode, statuses=well)
        return not any(cycle.started_ms < trained.started_ms for cycle in cycles)


def _start(launch: Launch, job: Job) -> subprocess.Popen[bytes]:
    return launch.start(job.name, "run", job.name)
