"""The one place that opens doors: from settings to clock, lake, ledger, registry and venue."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from sereno.core.clock import Clock, SimClock, WallClock
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Series
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT
from sereno.core.settings import Paths, Settings
from sereno.ops.address import sim_address
from sereno.ops.commit import code_version
from sereno.ops.lake_note import LakeNote
from sereno.ops.launch import Launch
from sereno.ops.state_dir import may_only_read, ready_state

if TYPE_CHECKING:
    from types import TracebackType

    from sereno.core.settings import LakeSettings
    from sereno.market.venue import Venue
    from sereno.ops.steps.decider import Decider
    from sereno.store.lake import Lake
    from sereno.store.ledger import Ledger
    from sereno.store.registry import Registry

WORLD_NOTED = "desk.world"


class Desk:
    """Everything a job may need, opened when it is first asked for.

    options   words that give a child process the same settings
    reading   nothing is to be written: a state that this user may only read is opened as it is
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        base_url: str = "",
        options: tuple[str, ...] = (),
        reading: bool = False,
    ) -> None:
        self.settings = settings
        self._reading = reading
        self.options = options
        self.paths: Paths = settings.paths
        self.mode: Mode = settings.mode
        self.account = PAPER_ACCOUNT
        self._base_url = base_url
        self.clock: Clock = clock or clock_of(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def ledger(self) -> Ledger:
        """Where orders, fills, positions and all other records are kept."""
        return open_desk_ledger(self.settings, reading=self._reading)

    @property
    def only_reads(self) -> bool:
        """Whether this user can look at the state but not work in it."""
        return self._reading and may_only_read(self.paths)

    @cached_property
    def lake(self) -> Lake:
        """Where candles and facts are kept; a simulated one refuses real data, and the reverse.

        Who only reads begins none, and notes nothing. Raises FixConfig too when it is gone from where it lay
        before.
        """
        from sereno.store.lake import open_lake
        from sereno.store.lake_words import Origin

        origin = Origin.REAL if self._world_is_real else Origin.SYNTHETIC
        settings, folder = lake_settings(self.settings), self.paths.lake
        if self._reading:
            return open_lake(settings, folder, origin=origin, begins=False)
        note = LakeNote(self.paths.lake_note)
        known_at = note.read()
        try:
            lake = open_lake(
                settings, folder, origin=origin, known_at=known_at or (), begins=known_at is not None
            )
        except FixConfig as cause:
            if known_at is not None:
                raise
            raise note.unreadable(cause) from cause
        if lake.names != known_at:
            note.keep(lake.names)
        return lake

    @cached_property
    def registry(self) -> Registry:
        """Where model artefacts are kept."""
        from sereno.store.registry import Registry

        return Registry(self.paths.registry)

    @cached_property
    def decider(self) -> Decider:
        """Makes signals; keeps engines warm and models loaded."""
        from sereno.ops.steps.decider import Decider

        return Decider(self)

    @property
    def _world_is_real(self) -> bool:
        return self.mode is not Mode.SIM or self.settings.sim.candles_dir is not None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What is collected and traded."""
        return self.settings.venue.listed()

    @property
    def series(self) -> tuple[Series, ...]:
        """Every traded series, instruments first."""
        return tuple(
            Series(instrument, timeframe)
            for timeframe in self.settings.candles.timeframes
            for instrument in self.instruments
        )

    @property
    def source(self) -> str:
        """Where candles come from, as the lake notes it."""
        return f"sim:{self.settings.venue.name}" if self.mode is Mode.SIM else self.settings.venue.name

    @cached_property
    def git_commit(self) -> str:
        """The code that runs; see `code_version`."""
        return code_version()

    @property
    def launch(self) -> Launch:
        """How this desk starts children with the same settings."""
        return Launch(self.options, self.paths.logs)

    def venue(self) -> Venue:
        """A venue, not yet opened; the caller opens and closes it."""
        from sereno.market.venues import make_venue

        venue = self.settings.venue
        quiet_file = self.paths.run / f"quiet_{venue.name}_{venue.market}.txt"
        return make_venue(venue, base_url=self.venue_url(), clock=self.clock, quiet_file=quiet_file)

    def venue_url(self) -> str:
        """Address of the venue's REST API; empty is the venue's own.

        Raises FixConfig in mode sim when no simulator has told its address.
        """
        given = self.settings.venue.base_url or self._base_url
        if given or self.mode is not Mode.SIM:
            return given
        return sim_address(self.paths)

    def close(self) -> None:
        """Close what was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()


def clock_of(settings: Settings) -> Clock:
    """The desk's clock: the world's in mode sim, the host's otherwise."""
    return SimClock(settings.paths.clock_file) if settings.mode is Mode.SIM else WallClock()


def lake_settings(settings: Settings) -> LakeSettings:
    """Where the lake is; below a given address every simulated world has a place of its own."""
    given = settings.lake
    place = given.url.rstrip("/")
    nowhere = not given.url or place.endswith(":")  # such as s3://, which the lake refuses
    if settings.mode is not Mode.SIM or nowhere:
        return given
    return given.model_copy(update={"url": f"{place}/sim/{settings.paths.root.name}"})


def open_desk_ledger(settings: Settings, *, reading: bool = False) -> Ledger:
    """The ledger of these settings, migrated to the newest schema.

    reading   a ledger that this user may only read is opened as it is

    Raises FixConfig when the state cannot be used, or when the database that the settings name holds another
    simulated world.
    """
    from sereno.store.ledger import ledger_url, open_ledger

    ready_state(settings.paths, reading=reading)
    url = ledger_url(settings.ledger, settings.paths.ledger_file)
    ledger = open_ledger(url, busy_timeout_s=settings.ledger.busy_timeout_s, reading=reading)
    if settings.mode is Mode.SIM and settings.ledger.database_url.get_secret_value():
        try:
            _keep_to_one_world(ledger, settings.paths.root.name)
        except BaseException:
            ledger.close()
            raise
    return ledger


def _keep_to_one_world(ledger: Ledger, world: str) -> None:
    """The first desk notes its world; the oldest note holds for every later one."""
    from sereno.store.ledger import audit

    with ledger.read() as tx:
        noted = audit.first(tx, WORLD_NOTED)
    if noted is None:
        with ledger.begin() as tx:
            if audit.first(tx, WORLD_NOTED) is None:
                audit.append(tx, WallClock().now_ms(), "desk", WORLD_NOTED, world)
            noted = audit.first(tx, WORLD_NOTED)
    if noted is not None and noted.subject != world:
        raise FixConfig(
            "ledger.other_world",
            remedy="a database holds one simulated world, and other [sim] settings or a release with another "
            "generator make another: name another database in ledger.database_url, or leave it empty for one "
            "file a world",
            found=noted.subject,
            wanted=world,
        )
