"""What a person sees of `sereno up`: bars while something takes long, then a live table; plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sereno.core.clock import Clock
from sereno.core.settings import Settings
from sereno.ops.address import api_address
from sereno.ops.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from rich.live import Live

    from sereno.ops.scheduler import Scheduler
    from sereno.store.ledger import Ledger

Show = Callable[[Mapping[str, tuple[int, int]]], None]
REFRESH_S = 1.0
PLAIN_S = 30.0


class Console:
    """The face on a terminal."""

    def __init__(self, settings: Settings) -> None:
        from rich.console import Console as RichConsole

        self._settings = settings
        self._rich = RichConsole()
        self._live: Live | None = None
        self._take: Callable[[], Snapshot] | None = None
        self._shown_at = 0.0

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
            known: dict[str, int] = {}

            def show(tasks: Mapping[str, tuple[int, int]]) -> None:
                for label, (done, total) in tasks.items():
                    if label not in known:
                        known[label] = len(known)
                        known[label] = int(progress.add_task(f"  {label}", total=max(total, 1)))
                    progress.update(_task(known[label]), completed=done, total=max(total, 1))
                progress.update(whole, description=name)

            yield show

    def first_report(self) -> None:
        """Where the first report lies."""
        for path in sorted(self._settings.paths.reports.glob("*.html")):
            self.say(f"report: {path}")

    def open_table(self, ledger: Ledger, clock: Clock, scheduler: Scheduler) -> None:
        """Begin the live table."""
        from rich.live import Live

        self._take = lambda: take_snapshot(self._settings, ledger, clock, scheduler)
        self._live = Live(console=self._rich, refresh_per_second=2, transient=False)
        self._live.start()

    def refresh(self) -> None:
        """Draw again, about once a second."""
        import time

        if self._live is None or self._take is None or time.monotonic() - self._shown_at < REFRESH_S:
            return
        from sereno.ops.table import draw

        self._shown_at = time.monotonic()
        self._live.update(draw(self._take()))

    def close(self) -> None:
        """End the live table."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class PlainConsole(Console):
    """Lines of text, for pipes and logs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._take = None
        self._live = None
        self._shown_at = 0.0
        self._said = ""
        self._api = ""

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
        """Begin the plain report."""
        self._take = lambda: take_snapshot(self._settings, ledger, clock, scheduler)

    def refresh(self) -> None:
        """A line when something changed, looked at every half minute; the API's address as soon as it is known."""
        import time

        if not self._api:
            self._api = api_address(self._settings.paths)
            if self._api:
                self.say(f"API {self._api}")

        if self._take is None or time.monotonic() - self._shown_at < PLAIN_S:
            return
        self._shown_at = time.monotonic()
        line = self._take().line()
        if line != self._said:
            self._said = line
            self.say(line)

    def close(self) -> None:
        """Nothing is open."""


def plain_console(settings: Settings) -> Console:
    """For output that is no terminal."""
    return PlainConsole(settings)


def _moment() -> str:
    import time

    return time.strftime("%H:%M:%S")


def _task(number: int):  # type: ignore[no-untyped-def]
    from rich.progress import TaskID

    return TaskID(number)
