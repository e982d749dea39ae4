"""What the live table and `sereno status` show, read at one moment from ledger, files and clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.clock import Clock
from sereno.core.errors import SerenoError
from sereno.core.order import PAPER_ACCOUNT, EquityPoint, Position
from sereno.core.settings import Settings
from sereno.core.signal import Signal
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.ops.address import api_address
from sereno.ops.entries import desk_moment, entry_facts
from sereno.ops.facts import JobState, job_states, world_ended_ms
from sereno.ops.jobs import COLLECTOR
from sereno.store.ledger import equity, positions, signals
from sereno.watch.checks import Noticed
from sereno.watch.entries import entries_blocked

if TYPE_CHECKING:
    from sereno.ops.scheduler import Scheduler
    from sereno.store.ledger import Ledger

NEWEST_SIGNALS = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The desk at `now_ms` of its own time (None: no clock).

    closes    close of the newest candle by instrument's key and timeframe
    report    path of the page that was written last; empty: there is none
    entries   why the account enters nothing; empty while it may
    """

    now_ms: UtcMs | None
    mode: str
    jobs: tuple[JobState, ...]
    running: frozenset[str]
    next_ms: Mapping[str, UtcMs]
    closes: Mapping[str, Mapping[Timeframe, UtcMs]]
    signals: tuple[Signal, ...]
    positions: tuple[Position, ...]
    closed: int
    equity: EquityPoint | None
    api: str
    report: str
    world_ended_ms: UtcMs | None = None
    entries: tuple[Noticed, ...] = ()

    def line(self) -> str:
        """All of it in one line."""
        newest = self.signals[0] if self.signals else None
        told = f"{newest.series.instrument.symbol} {newest.decision} ({newest.reason})" if newest else "none"
        value = f"{self.equity.equity_quote:.2f}" if self.equity else "-"
        at = iso(self.now_ms) if self.now_ms is not None else "no clock"
        ended = "" if self.world_ended_ms is None else f"; {ended_words(self.world_ended_ms)}"
        ended += "".join(f"; {one.message}" for one in self.entries)
        return (
            f"{at} signal: {told}; open positions {len(self.positions)}, closed {self.closed}, "
            f"equity {value}; {self.api or 'no API'}{ended}"
        )


def ended_words(at: UtcMs) -> str:
    """What an operator is told of a world without a next candle."""
    return f"the simulated candles end at {iso(at)}: time stands still, nothing more will be traded"


def take_snapshot(
    settings: Settings, ledger: Ledger, clock: Clock, scheduler: Scheduler | None = None
) -> Snapshot:
    """Read everything once."""
    try:
        now = clock.now_ms()
    except SerenoError:
        now = None
    with ledger.read() as tx:
        states = job_states(tx, settings)
        newest_signals = signals.recent(tx, None, NEWEST_SIGNALS, mode=settings.mode)
        open_positions = positions.open(tx, settings.mode, PAPER_ACCOUNT)
        closed = positions.closed(tx, settings.mode, PAPER_ACCOUNT)
        point = equity.latest(tx, settings.mode, PAPER_ACCOUNT)
        entries = entry_facts(tx, settings.mode, PAPER_ACCOUNT, desk_moment(clock))
    return Snapshot(
        now_ms=now,
        mode=settings.mode,
        jobs=states,
        running=frozenset() if scheduler is None else frozenset(scheduler.running),
        next_ms=_next_firings(states, now, settings.jobs.timezone, scheduler),
        closes=_newest_closes(states),
        signals=tuple(newest_signals),
        positions=tuple(open_positions),
        closed=closed,
        equity=point,
        api=api_address(settings.paths),
        report=_report(settings.paths.reports),
        world_ended_ms=world_ended_ms(settings, now),
        entries=entries_blocked(entries),
    )


def _next_firings(
    states: tuple[JobState, ...], now: UtcMs | None, zone: str, scheduler: Scheduler | None
) -> dict[str, UtcMs]:
    """When each timed job fires next: as its scheduler has it, else as the table of jobs says."""
    if scheduler is not None:
        planned = {job.name: scheduler.next_firing(job) for job in scheduler.timed}
        return {name: at for name, at in planned.items() if at is not None}
    if now is None:
        return {}
    return {s.job.name: s.job.schedule.next_after(now, zone) for s in states if not s.job.is_daemon}


def _newest_closes(states: tuple[JobState, ...]) -> dict[str, dict[Timeframe, UtcMs]]:
    """As the collector last told it: the console need not open the lake."""
    run = next((s.last_well for s in states if s.job.name == COLLECTOR), None)
    series = run.details.get("series") if run else None
    closes: dict[str, dict[Timeframe, UtcMs]] = {}
    for key, facts in series.items() if isinstance(series, dict) else ():
        instrument, _, name = key.rpartition("@")
        newest = facts.get("newest_open_ms")
        if isinstance(newest, int):
            closes.setdefault(instrument, {})[Timeframe(name)] = newest + Timeframe(name).ms
    return closes


def _report(folder: Path) -> str:
    found = sorted(folder.glob("*.html"), key=lambda path: path.stat().st_mtime)
    return str(found[-1]) if found else ""
