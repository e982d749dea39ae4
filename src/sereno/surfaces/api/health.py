"""Whether the desk is well: each part is asked, and what fails is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sereno.core.clock import STALL_MS, ClockFile, WallClock
from sereno.core.errors import SerenoError
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.ops.app import Desk
from sereno.ops.entries import desk_moment, entry_facts
from sereno.ops.facts import jobs_in_force, lease_is_held, world_ended_ms
from sereno.ops.jobs import DASHBOARD
from sereno.ops.lease import lease_name
from sereno.ops.logs import Redactor
from sereno.ops.snapshot import ended_words
from sereno.ops.watched import unwatched
from sereno.store.ledger.probe import prove_writable
from sereno.watch.checks import Noticed
from sereno.watch.entries import entries_blocked

LOCK_WAIT_S = 1.5
BEAT_S = 30.0
LEAST_FREE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """Checks by name, the reasons of those that fail, and what else a person should know."""

    checks: dict[str, bool]
    reasons: tuple[str, ...]
    now_ms: UtcMs | None
    world_ended_ms: UtcMs | None = None
    notes: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing fails."""
        return not self.reasons


class Beats:
    """When each store was last written to for proof.

    However often health is asked, a store that takes its writes is written to once in `BEAT_S`; one
    that refused is tried again at once.
    """

    def __init__(self) -> None:
        self._well: dict[str, float] = {}

    def is_due(self, name: str) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._well.get(name, -BEAT_S) >= BEAT_S

    def done(self, name: str) -> None:
        """A write went well."""
        self._well[name] = time.monotonic()


def look(desk: Desk, *, own: str | None = DASHBOARD, beats: Beats | None = None) -> Health:
    """Ask ledger, lake, disk, clock, daemons, entries and open positions.

    own    the daemon that asks, which lives
    beats  kept by who asks often; None: both stores are written to
    """
    proof = beats or Beats()
    checks: dict[str, bool] = {}
    reasons: list[str] = []
    redactor = Redactor.of(desk.settings)
    probes: tuple[tuple[str, Callable[[Desk], Iterator[str]]], ...] = (
        ("ledger", lambda one: _ledger(one, proof)),
        ("lake", lambda one: _lake(one, proof)),
        ("disk", _disk),
        ("clock", _clock),
        ("daemons", lambda one: _daemons(one, own)),
        ("entries", _entries_frozen),
        ("positions", _positions_alone),
    )
    for name, probe in probes:
        try:
            found = list(probe(desk))
        except SerenoError as cause:
            found = [str(cause)]
        except Exception as cause:  # noqa: BLE001 - a probe that breaks is a finding, never a crash
            found = [f"{type(cause).__name__}: {cause}"]
        checks[name] = not found
        reasons += [redactor.text(f"{name}: {reason}") for reason in found]
    now = look_at_clock(desk)
    ended = world_ended_ms(desk.settings, now)
    world = () if ended is None else (f"world: {ended_words(ended)}",)
    resting = () if not checks["entries"] else tuple(redactor.text(note) for note in _entries_resting(desk))
    return Health(checks, tuple(reasons), now, ended, (*world, *resting))


def look_at_clock(desk: Desk) -> UtcMs | None:
    """The desk's time; None when no simulator tells it."""
    try:
        return desk.clock.now_ms()
    except SerenoError:
        return None


def _ledger(desk: Desk, beats: Beats) -> Iterator[str]:
    if desk.only_reads:
        desk.ledger.ping()
        return
    beat = beats.is_due("ledger")
    prove_writable(desk.ledger, wait_s=LOCK_WAIT_S, beat=beat)
    if beat:
        beats.done("ledger")
    yield from ()


def _lake(desk: Desk, beats: Beats) -> Iterator[str]:
    desk.lake.ping()
    if not desk.only_reads and beats.is_due("lake"):
        desk.lake.prove_writable()
        beats.done("lake")
    known = {series.key for series in desk.lake.series()}
    for series in desk.series:
        if series.key not in known:
            yield f"no candles of {series.key}"
        elif desk.lake.extent(series) is None:
            yield f"{series.key} cannot be read"


def _disk(desk: Desk) -> Iterator[str]:
    free = shutil.disk_usage(desk.paths.root).free
    if free < LEAST_FREE_BYTES:
        yield f"{free // 1_048_576} MiB left below {desk.paths.root}"


def _clock(desk: Desk) -> Iterator[str]:
    if desk.mode is not Mode.SIM:
        return
    anchor = ClockFile(desk.paths.clock_file).read()
    if anchor is None:
        yield "the simulator has not told its time"
    elif WallClock().now_ms() - anchor.wall_ms > STALL_MS:
        yield "the simulator stands still"


def _daemons(desk: Desk, own: str | None) -> Iterator[str]:
    with desk.ledger.read() as tx:
        for job in jobs_in_force(desk.settings):
            if job.is_daemon and job.name != own and not lease_is_held(tx, lease_name(desk.mode, job.name)):
                yield f"{job.name} does not run"


def _positions_alone(desk: Desk) -> Iterator[str]:
    """An open position without candles has no stop."""
    now = look_at_clock(desk)
    if now is not None:
        with desk.ledger.read() as tx:
            yield from (f"{one.subject}: {one.message}" for one in unwatched(desk, tx, now))


def _entries_frozen(desk: Desk) -> Iterator[str]:
    """A desk that a job froze, or whose risk state is lost, trades no more until a person has looked."""
    yield from (one.message for one in _entries(desk) if one.severity.wakes)


def _entries_resting(desk: Desk) -> Iterator[str]:
    """What a person, a limit or a pause asks for is no failure, but good to know."""
    yield from (f"entries: {one.message}" for one in _entries(desk))


def _entries(desk: Desk) -> tuple[Noticed, ...]:
    with desk.ledger.read() as tx:
        return entries_blocked(entry_facts(tx, desk.mode, desk.account, desk_moment(desk.clock)))
