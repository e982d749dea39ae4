"""What a person sees of `sereno up`: bars while something takes long, then a live table; plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from sereno.core.clock import Clock
from sereno.core.errors import FixConfig
from sereno.core.settings import Settings
from sereno.ops.address import api_address
from sereno.ops.scheduler import MENDING_S
from sereno.ops.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import TaskID

    from sereno.ops.scheduler import Scheduler
    from sereno.store.ledger import Ledger

Show = Callable[[Mapping[str, tuple[int, int]]], None]
REFRESH_S = 1.0
PLAIN_S = 30.0


class Console(ABC):
    """What both faces share: a table is opened once, then drawn again from a fresh snapshot."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._take: Callable[[], Snapshot] | None = None
        self._shown_at = 0.0

    @abstractmethod
    def say(self, text: str) -> None:
        """One line."""

    @abstractmethod
    def step(self, name: str) -> AbstractContextManager[Show]:
        """How far one step is."""

    def first_report(self) -> None:
        """Where the first report lies."""
        for path in sorted(self._settings.paths.reports.glob("*.html")):
            self.say(f"report: {path}")

    def open_table(self, ledger: Ledger, clock: Clock, scheduler: Scheduler) -> None:
        """Begin to show the desk."""
        self._take = lambda: take_snapshot(self._settings, ledger, clock, scheduler)

    @abstractmethod
    def refresh(self) -> None:
        """Show the desk as it is now, if it is time to."""

    def close(self) -> None:
        """Show it no more."""
        self._take = None

    def _snapshot_every(self, seconds: float) -> Snapshot | None:
        """A fresh one; None before its time, or while nothing is shown."""
        if self._take is None or time.monotonic() - self._shown_at < seconds:
            return None
        self._shown_at = time.monotonic()
        return self._take()


class TerminalConsole(Console):
    """The face on a terminal: bars and a live table."""

    def __init__(self, settings: Settings) -> None:
        from rich.console import Console as RichConsole

        super().__init__(settings)
        self._rich = RichConsole()
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """One line."""
        self._rich.print(f"[dim]{_moment()}[/dim] {text}", highlight=False)

    @contextmanager
    def step(self, name: str) -> Iterator[Show]:
        """Bars for one step."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._rich, transient=True) as progress:
            whole = progress.add_task(name, total=None)
            known: dict[str, TaskID] = {}

            def show(tasks: Mapping[str, tuple[int, int]]) -> None:
                for label, (done, total) in tasks.items():
                    if label not in known:
                        known[label] = progress.add_task(f"  {label}", total=max(total, 1))
                    progress.update(known[label], completed=done, total=max(total, 1))
                progress.update(whole, description=name)

            yield show

    def open_table(self, ledger: Ledger, clock: Clock, scheduler: Scheduler) -> None:
        """Begin the live table."""
        from rich.live import Live

        super().open_table(ledger, clock, scheduler)
        self._live = Live(console=self._rich, refresh_per_second=2, transient=False)
        self._live.start()

    def refresh(self) -> None:
        """Draw again, about once a second."""
        snapshot = self._snapshot_every(REFRESH_S)
        if self._live is None or snapshot is None:
            return
        from sereno.ops.table import draw

        self._live.update(draw(snapshot))

    def close(self) -> None:
        """End the live table."""
        super().close()
        if self._live is not None:
            self._live.stop()
            self._live = None


class PlainConsole(Console):
    """Lines of text, for pipes and logs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._said = ""
        self._api = ""
        self._failing: Callable[[], dict[str, str]] = dict
        self._told: dict[str, str] = {}

    def say(self, text: str) -> None:
        """One line."""
        sys.stdout.write(f"{_moment()} {text}\n")
        sys.stdout.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[Show]:
        """Nothing moves on a pipe; begin and end are told."""
        self.say(f"{name} …")
        yield lambda _tasks: None

    def open_table(self, ledger: Ledger, clock: Clock, scheduler: Scheduler) -> None:
        """Begin; what failed before has been told."""
        super().open_table(ledger, clock, scheduler)
        self._failing = lambda: _failing(self._settings, ledger)
        self._told = self._failing()

    def refresh(self) -> None:
        """A line when something changed, looked at every half minute; the API's address as soon as it is known."""
        if not self._api:
            self._api = api_address(self._settings.paths)
            if self._api:
                self.say(f"API {self._api}")
        snapshot = self._snapshot_every(PLAIN_S)
        if snapshot is None:
            return
        if snapshot.line() != self._said:
            self._said = snapshot.line()
            self.say(self._said)
        before, self._told = self._told, self._failing()
        for job, why in self._told.items():
            if before.get(job) != why:
                self.say(f"{job} failed: {why}; more in {self._settings.paths.logs}")


def _failing(settings: Settings, ledger: Ledger) -> dict[str, str]:
    """Why the newest runs failed, by job; a daemon that waits for a person to mend something says so."""
    from sereno.ops.facts import failing, jobs_in_force

    daemons = {job.name for job in jobs_in_force(settings) if job.is_daemon}
    found = {}
    with ledger.read() as tx:
        for run in failing(tx, settings):
            waits = run.job in daemons and run.details.get("kind") == FixConfig.__name__
            again = f" (it is started again every {MENDING_S / 60:g} minutes)" if waits else ""
            found[run.job] = f"{run.error or run.status}{again}"
    return found


def _moment() -> str:
    return time.strftime("%H:%M:%S")
